"""The nets that are compared: the same one with kernels of several sizes, given by the same number of parameters."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from torch import nn

from experiments.nets.separable import separable_net
from experiments.studies.reach.config import Config
from experiments.studies.reach.tasks import CLASSES, PATHFINDER, Task
from nifconv import FourierFeatures, ImplicitFilter, convert
from nifconv.filters import FilterFactory

FEATURES, PIXELS = "Fourier features", "raw pixel coordinates"
STEM = 3
"""Kernel size of the first layer of `contour_net`."""
GLOBAL, LOCAL_PRIOR = "global", "global, raw coordinates"


@dataclass(frozen=True)
class Variant:
    """One net on one task.

    Attributes:
        task: what it learns.
        net: name in tables and figures.
        kernel_size: None for kernels as large as the map.
        coordinates: `FEATURES` (kernels are spread widely before training) or `PIXELS` (they are small).
    """

    task: Task
    net: str
    kernel_size: int | None
    coordinates: str = FEATURES

    @property
    def name(self) -> str:
        return name_of(self.task, self.net)

    @property
    def field(self) -> int:
        """Side of the square that one output of the spatial convolution sees, through the stem of `contour_net`."""
        stem = STEM if self.task.family == PATHFINDER else 1
        return self.task.size if self.kernel_size is None else min(self.kernel_size + stem - 1, self.task.size)

    def build(self, config: Config) -> nn.Module:
        """The net, with random weights: separable with one spatial convolution, or `contour_net` for Pathfinder.

        Fourier features reach as far as 3/8 of the canvas.
        """
        implicit: FilterFactory = partial(ImplicitFilter, hidden=config.hidden, coordinates="pixel")
        if self.coordinates == FEATURES:
            features = FourierFeatures(self.task.size * 3 // 8, config.features)
            implicit = partial(ImplicitFilter, hidden=config.hidden, encoding=features)
        if self.task.family == PATHFINDER:
            plain, to = contour_net(config.contour_width), "dense"
        else:
            plain, to = separable_net(config.displaced_width, 3, classes=CLASSES, depth=1), "split"
        return convert(plain, to=to, filter=implicit, kernel_size=self.kernel_size).model


def name_of(task: Task, net: str) -> str:
    """Name of a variant."""
    return f"{task.name}: {net}"


def variants(task: Task, kernel_sizes: tuple[int, ...]) -> list[Variant]:
    """Kernels of each size, then as large as the map, and these once more from a prior that makes them small.

    For Pathfinder without the last, which does not learn it in the time given, and without sizes that already see all
    of the map.
    """
    sized = [Variant(task, f"{size}x{size}", size) for size in kernel_sizes]
    if task.family == PATHFINDER:
        return [*(one for one in sized if one.field < task.size), Variant(task, GLOBAL, None)]
    return [*sized, Variant(task, GLOBAL, None), Variant(task, LOCAL_PRIOR, None, PIXELS)]


def contour_net(width: int) -> nn.Sequential:
    """3x3 stem and 3x3 convolution, of all channels, with BatchNorm and ReLU; the largest response anywhere; linear.

    `convert` keeps the stem. With depthwise convolutions or average pooling nets of this size hardly learn the task,
    whatever their kernels.
    """
    return nn.Sequential(
        OrderedDict(
            stem=_block(1, width),
            spatial=_block(width, width),
            pool=nn.AdaptiveMaxPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(width, CLASSES),
        )
    )


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, STEM, padding="same", bias=False, padding_mode="circular")
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
