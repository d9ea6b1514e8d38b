"""The nets that are compared and what they learn."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache, partial

from torch import nn

from experiments.nets.filters import MULTI_SCALE, implicit_filters
from experiments.nets.separable import separable_net
from experiments.studies.reach.config import Config
from experiments.tasks.batches import Draw
from experiments.tasks.displaced import AXES, CANVAS, DIAGONALS, OBLIQUE, displaced_digits, displacements
from experiments.tasks.pathfinder import Pathfinder
from nifconv import SpatialFilter, TableFilter, convert
from nifconv.filters import FilterFactory

DIRECTIONS = {"axes": AXES, "diagonals": DIAGONALS, "oblique": OBLIQUE}
EVERY, ONE, CONTOURS = "every distance", "one distance", "Pathfinder"
TABLE, TAPS_31, TAPS_7 = "table", "31x31 taps", "7x7 taps"
REACH = CANVAS // 2
FILTERS: dict[str, FilterFactory] = {
    **implicit_filters(REACH),
    TABLE: partial(TableFilter, size=CANVAS),
}
_CONTOUR_CANVAS = 32


@dataclass(frozen=True)
class Arm:
    """A net on a task.

    Attributes:
        task: displaced digits with all distances as classes, or with one of them, or `CONTOURS`.
        filter: key of `FILTERS`, or one of the names of taps.
        direction: key of `DIRECTIONS`, "" for contours.
        reach: distance of the digits or length of the contours in pixels; 0 for every distance.
    """

    task: str
    filter: str
    direction: str
    reach: int = 0

    @property
    def name(self) -> str:
        return f"{self.filter}: {self.direction or self.task}" + (f", {self.reach} px" if self.reach else "")

    def draws(self, config: Config) -> tuple[Draw, Draw, int]:
        """The tasks to train and to test with, of different digits, and the number of classes."""
        if self.task == CONTOURS:
            return _contours(self.reach), _contours(self.reach), 2
        distances = (self.reach,) if self.task == ONE else config.distances
        directions = DIRECTIONS[self.direction]
        return *_displaced(distances, directions), len(displacements(distances, directions))

    def build(self, config: Config) -> nn.Module:
        """The net with random weights: one layer of spatial kernels, after a 3x3 stem for contours."""
        classes = self.draws(config)[2]
        if self.task == CONTOURS:
            net, to = contour_net(config.contour_width, 7 if self.filter == TAPS_7 else 3), "dense"
        else:
            net, to = separable_net(config.width, 3, classes=classes, depth=1), "split"
        if self.filter == TAPS_7:
            return net
        if self.filter == TAPS_31:  # through FFTs, since a plain convolution takes minutes
            return convert(net, filter=SpatialFilter, kernel_size=31).model
        return convert(net, to=to, filter=FILTERS[self.filter]).model


def every_direction() -> list[Arm]:
    """Which filter gets there: each in each direction."""
    return [Arm(EVERY, name, direction) for direction in DIRECTIONS for name in (*FILTERS, TAPS_31)]


def each_distance(config: Config) -> list[Arm]:
    """Window in use against required reach, along the axes and the diagonals."""
    return [Arm(ONE, MULTI_SCALE, name, reach) for name in ("axes", "diagonals") for reach in config.distances]


def contours(config: Config) -> list[Arm]:
    """Pathfinder."""
    return [Arm(CONTOURS, name, "", reach) for reach in config.lengths for name in (TAPS_7, MULTI_SCALE)]


def contour_net(width: int, kernel_size: int) -> nn.Sequential:
    """3x3 stem and a convolution, of all channels, with BatchNorm and ReLU; the largest response anywhere; linear.

    `convert` keeps the stem. With depthwise convolutions or average pooling nets of this size hardly learn the task,
    whatever their kernels.
    """
    return nn.Sequential(
        OrderedDict(
            stem=_block(1, width, 3),
            spatial=_block(width, width, kernel_size),
            pool=nn.AdaptiveMaxPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(width, 2),
        )
    )


def _block(in_channels: int, out_channels: int, size: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, size, padding="same", bias=False, padding_mode="circular")
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


_displaced = cache(displaced_digits)


def _contours(reach: int) -> Pathfinder:
    """Two contours of that length in pixels, and no others."""
    dashes = Pathfinder(size=_CONTOUR_CANVAS, distractors=0, turn=0.2)
    length = round((reach + dashes.gap) / (dashes.dash + dashes.gap))
    return Pathfinder(size=_CONTOUR_CANVAS, length=length, distractors=0, turn=0.2)
