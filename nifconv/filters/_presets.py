"""Filters by name, among them those of Grabinski, Keuper & Keuper 2024.

The published ones are MLPs on integer image coordinates, one for the real and one for the imaginary part.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from nifconv.filters._factory import FilterFactory
from nifconv.filters._implicit import ImplicitFilter
from nifconv.filters._spatial import SpatialFilter
from nifconv.filters._spec import read_spec

niff_big = partial(ImplicitFilter, hidden=(16, 128, 32), coordinates="image", shared_trunk=False)
"""2-16-128-32-P, for the depthwise convolutions of ConvNeXt."""

niff_small = partial(ImplicitFilter, hidden=(8, 4), coordinates="image", shared_trunk=False)
"""2-8-4-P, for the split convolutions of ResNet, DenseNet and MobileNet."""

niff_tiny = partial(ImplicitFilter, hidden=(8,), coordinates="image", shared_trunk=False)
"""2-8-P, for dense convolutions, where P = out_channels * in_channels."""

PRESETS: dict[str, FilterFactory] = {
    "implicit": ImplicitFilter,
    "niff-small": niff_small,
    "niff-big": niff_big,
    "niff-tiny": niff_tiny,
    "spatial": SpatialFilter,
}
"""Names that command lines and configuration files accept."""


def read_filter(data: str | Mapping[str, Any]) -> FilterFactory:
    """A filter factory from its name or its data, as command lines and configuration files give them.

    Args:
        data: a name in `PRESETS`, or `{"ImplicitFilter": {"hidden": [8, 4]}}` (see `write_spec`).

    Raises:
        ValueError: the name is unknown, or the data describe no filter.
    """
    if isinstance(data, str) and data in PRESETS:
        return PRESETS[data]
    reason = ""
    if isinstance(data, Mapping):
        try:
            found = read_spec(data)
        except (ValueError, TypeError) as error:
            reason = f" ({error})"
        else:
            return found
    raise ValueError(
        f"filter={data!r} does not describe a filter{reason}; use one of {', '.join(PRESETS)}, or data such as "
        '{"TableFilter": {"size": 14}}'
    )
