"""Filters by name, among them the implicit ones of Grabinski, Keuper & Keuper 2024.

Those are MLPs on integer image coordinates, one for the real and one for the imaginary part.
"""

from functools import partial

from nifconv.filters._factory import FilterFactory
from nifconv.filters._implicit import ImplicitFilter
from nifconv.filters._spatial import SpatialFilter

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
"""For command lines and configuration files."""
