"""The filters that are compared, and what a new filter looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nifconv import FourierFeatures, ImplicitFilter, MultiScaleFeatures, niff_small
from nifconv.filters import Encoding, FilterFactory, Neighbors

REACH = 24
"""Largest offset of the encodings for long reach, in pixels: half the canvas of the displaced digits."""


@dataclass(frozen=True)
class Axes(Encoding):
    """One pixel along each axis: periodic, and blind to diagonals before the network mixes the axes."""

    def draw(self, ndim: int) -> Tensor:
        return torch.eye(ndim, dtype=torch.int64)


DEFAULT = "periodic, neighbours (default)"
MULTI_SCALE = f"periodic, multi-scale, reach {REACH}"
IMAGE = "image"
TAPS_3, TAPS_7 = "3x3 taps", "7x7 taps"
FILTERS: Mapping[str, FilterFactory] = {
    "pixel": partial(ImplicitFilter, coordinates="pixel"),
    IMAGE: partial(ImplicitFilter, coordinates="image"),
    "published, 2-8-4": niff_small,
    "periodic, axes": partial(ImplicitFilter, encoding=Axes()),
    DEFAULT: ImplicitFilter,
    "periodic, reach 2": partial(ImplicitFilter, encoding=Neighbors(2)),
    MULTI_SCALE: partial(ImplicitFilter, encoding=MultiScaleFeatures(REACH)),
    f"periodic, box, reach {REACH}": partial(ImplicitFilter, encoding=FourierFeatures(REACH)),
}
CHOICE = (DEFAULT, MULTI_SCALE)
"""What is recommended: these run with every seed."""
TAPS: Mapping[str, int] = {TAPS_3: 3, TAPS_7: 7}
"""Plain nets of the same width; 7x7 taps have about as many parameters as the default filter."""
