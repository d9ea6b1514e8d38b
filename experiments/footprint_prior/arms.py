"""The five parameterisations of a kernel as large as the map, and the net around them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial

from torch import nn

from experiments.common.nets import pointwise
from experiments.footprint_prior.tasks import CANVAS
from nifconv import FourierFeatures, FrequencyConv2d, ImplicitFilter, SpatialFilter, TableFilter, niff_small
from nifconv.filters.factory import FilterFactory

MAPS = (CANVAS, CANVAS // 2, CANVAS // 4)
PIXEL, IMAGE, FOURIER, TABLE, TAPS = "raw pixel", "raw image", "Fourier features", "free table", "free taps"
FREE = (TABLE, TAPS)
"""One weight for each frequency or tap: nothing about them prefers a place of the kernel."""
ARMS = (PIXEL, IMAGE, FOURIER, TABLE, TAPS)


def filter_of(arm: str, side: int, seed: int) -> FilterFactory:
    """The filter of the layer at a map of `side`; `seed` draws the offsets of Fourier features, which never train."""
    factories: Mapping[str, FilterFactory] = {
        PIXEL: ImplicitFilter,
        IMAGE: niff_small,
        FOURIER: partial(ImplicitFilter, encoding=FourierFeatures(reach=side // 2, seed=seed)),
        TABLE: partial(TableFilter, size=side),
        TAPS: partial(SpatialFilter, kernel_size=side),
    }
    return factories[arm]


def build(arm: str, width: int, classes: int, seed: int) -> nn.Sequential:
    """Stem 1x1, then at each map of `MAPS` a depthwise convolution as large as the map and a 1x1 block.

    Maps are halved by max pooling. Every layer can fill its map, and wraps around, whatever its filter is.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=pointwise(1, width))
    for side in MAPS:
        if side != CANVAS:
            layers[f"pool{side}"] = nn.MaxPool2d(2)
        layers[f"spatial{side}"] = FrequencyConv2d(
            width, width, groups=width, bias=False, filter=filter_of(arm, side, seed)
        )
        layers[f"mix{side}"] = pointwise(width, width)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(width, classes)
    return nn.Sequential(layers)
