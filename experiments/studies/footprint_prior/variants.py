"""The five parameterisations of a kernel as large as the map, and the net around them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from experiments.nets.separable import pointwise
from experiments.studies.footprint_prior.tasks import CANVAS
from nifconv import FourierFeatures, FrequencyConv2d, ImplicitFilter, SpatialFilter, TableFilter, niff_small
from nifconv.filters import FilterFactory

MAPS = (CANVAS, CANVAS // 2, CANVAS // 4)
PIXEL, IMAGE, FOURIER, TABLE, TAPS = "raw pixel", "raw image", "Fourier features", "free table", "free taps"
FREE = (TABLE, TAPS)
"""One weight for each frequency or tap: nothing about them prefers a place of the kernel."""
PARAMETERISATIONS = (PIXEL, IMAGE, FOURIER, TABLE, TAPS)


def filter_of(parameterisation: str, side: int, seed: int) -> FilterFactory:
    """The filter of the layer at a map of `side`; `seed` draws the fixed offsets of Fourier features."""
    factories: Mapping[str, FilterFactory] = {
        PIXEL: partial(ImplicitFilter, coordinates="pixel"),
        IMAGE: niff_small,
        FOURIER: partial(ImplicitFilter, encoding=FourierFeatures(reach=side // 2, seed=seed)),
        TABLE: partial(TableFilter, size=side),
        TAPS: partial(SpatialFilter, kernel_size=side),
    }
    return factories[parameterisation]


class Block(nn.Module):
    """ReLU(x + BatchNorm(1x1(depthwise(x)))), with a depthwise convolution as large as the map.

    The sum before the ReLU tells a kernel where its centre is. Without it, kernels that are all circularly shifted
    would do equally well.
    """

    def __init__(self, width: int, filter: FilterFactory) -> None:
        super().__init__()
        self.spatial = FrequencyConv2d(width, width, groups=width, bias=False, filter=filter)
        self.mix = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.mix(self.spatial(x))))


def build(parameterisation: str, width: int, classes: int, seed: int) -> nn.Sequential:
    """Stem 1x1, then a `Block` at each map of `MAPS`, halved by max pooling, average pooling, linear.

    Every kernel can fill its map, and wraps around, whatever its filter is.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=pointwise(1, width))
    for side in MAPS:
        if side != CANVAS:
            layers[f"pool{side}"] = nn.MaxPool2d(2)
        layers[f"block{side}"] = Block(width, filter_of(parameterisation, side, seed))
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(width, classes)
    return nn.Sequential(layers)
