"""The implicit filters that studies compare, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from nifconv import ImplicitFilter, MultiScaleFeatures, niff_small
from nifconv.filters import FilterFactory

RAW, PUBLISHED, PERIODIC, MULTI_SCALE = "raw pixel", "published", "periodic", "multi-scale"


def implicit_filters(reach: int) -> Mapping[str, FilterFactory]:
    """Raw coordinates in pixels, the published filter (2-8-4, raw image coordinates), and two that do not ring.

    Args:
        reach: largest offset of the multi-scale features, in pixels.
    """
    return {
        RAW: partial(ImplicitFilter, coordinates="pixel"),
        PUBLISHED: niff_small,
        PERIODIC: ImplicitFilter,
        MULTI_SCALE: partial(ImplicitFilter, encoding=MultiScaleFeatures(reach)),
    }
