"""What is compared: one separable net, its depthwise kernels given by taps or by functions of frequency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import nn

from experiments.nets.separable import PaddingMode, matching_width, parameters, separable_net
from experiments.tasks.handwritten import CLASSES
from nifconv import ImplicitFilter, convert, niff_small
from nifconv.filters import FilterFactory

TAPS_3, TAPS_7, TAPS_7_WIDE = "3x3 taps", "7x7 taps, narrower", "7x7 taps"
PIXEL, IMAGE = "frequency, pixel", "frequency, image"
PIXEL_LARGE, IMAGE_LARGE = "larger MLP, pixel", "larger MLP, image"
CIRCULAR: PaddingMode = "circular"
ZEROS: PaddingMode = "zeros"


@dataclass(frozen=True)
class Shape:
    """What all nets have in common.

    Attributes:
        width: channels, unless a net has fewer to match the number of parameters.
        depth: number of blocks.
        halve_after: blocks followed by 2x2 max pooling.
    """

    width: int
    depth: int
    halve_after: tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """A kind of depthwise kernel.

    Attributes:
        kernel_size: None for kernels as large as the map.
        filter: number of channels to frequency filter, or None for the taps of `nn.Conv2d`.
        narrower: whether the net has fewer channels, to have as many parameters as the net with 3x3 taps.
    """

    kernel_size: int | None
    filter: Callable[[int], FilterFactory] | None = None
    narrower: bool = False


FAMILIES = {
    TAPS_3: Family(3),
    TAPS_7: Family(7, narrower=True),
    TAPS_7_WIDE: Family(7),
    PIXEL: Family(None, lambda width: ImplicitFilter.with_budget(9 * width, coordinates="pixel")),
    IMAGE: Family(None, lambda width: ImplicitFilter.with_budget(9 * width, coordinates="image")),
    PIXEL_LARGE: Family(None, lambda width: partial(ImplicitFilter, coordinates="pixel")),  # noqa: ARG005 - the same at every width
    IMAGE_LARGE: Family(None, lambda width: niff_small),  # noqa: ARG005
}
"""The first two frequency filters have at most as many parameters as 3x3 taps, 9 for each channel."""
EQUAL = (TAPS_3, TAPS_7, PIXEL, IMAGE)
"""Families with equal numbers of parameters, trained with either boundary; the others with circular padding."""


@dataclass(frozen=True)
class Variant:
    """One net of the comparison.

    Attributes:
        family: family of its depthwise kernels.
        padding: their boundary.
        kernel_size: taps on each side, None for kernels as large as the map.
        longer: factor on the number of epochs.
    """

    family: str
    padding: PaddingMode
    kernel_size: int | None
    longer: int = 1

    @property
    def name(self) -> str:
        restricted = "" if self.kernel_size == FAMILIES[self.family].kernel_size else f", k={self.kernel_size}"
        longer = "" if self.longer == 1 else f", {self.longer}x training"
        return f"{self.family}{restricted}{longer} ({self.padding})"

    def width(self, shape: Shape) -> int:
        """Channels of the net."""
        if not FAMILIES[self.family].narrower or self.kernel_size is None:
            return shape.width
        return _width_of_equal(shape, self.kernel_size)

    def build(self, shape: Shape) -> nn.Module:
        """The net, with random weights.

        The global pooling takes the maximum: a mean over a larger canvas would change with its blank share, whatever
        the kernels do.
        """
        width, factory = self.width(shape), FAMILIES[self.family].filter
        net = separable_net(
            width,
            self.kernel_size if factory is None and self.kernel_size is not None else 3,
            classes=CLASSES,
            depth=shape.depth,
            padding_mode=self.padding,
            halve_after=shape.halve_after,
            pool=nn.AdaptiveMaxPool2d,
        )
        if factory is None:
            return net
        return convert(net, filter=factory(width), kernel_size=self.kernel_size, padding_mode=self.padding).model


@cache
def _width_of_equal(shape: Shape, kernel_size: int) -> int:
    """The width that gives a net with larger taps the parameters of the net with 3x3 taps."""
    with torch.device("meta"):  # nets that are only counted must not use up random numbers
        target = parameters(separable_net(shape.width, 3, classes=CLASSES, depth=shape.depth))
        return matching_width(target, kernel_size, classes=CLASSES, depth=shape.depth)


def variants(kernel_sizes: tuple[int, ...], longer: int) -> list[Variant]:
    """All nets that are trained: the comparison, one frequency filter on k x k taps, and some trained for longer."""
    both = [Variant(name, padding, FAMILIES[name].kernel_size) for name in EQUAL for padding in (CIRCULAR, ZEROS)]
    circular = [Variant(name, CIRCULAR, family.kernel_size) for name, family in FAMILIES.items() if name not in EQUAL]
    restricted = [Variant(PIXEL_LARGE, CIRCULAR, size) for size in kernel_sizes]
    trained = [Variant(name, CIRCULAR, FAMILIES[name].kernel_size, longer) for name in (TAPS_3, PIXEL, IMAGE)]
    return both + circular + restricted + trained
