"""The nets that are compared."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import nn

from experiments.nets.resnet_lc import resnet_lc
from experiments.nets.separable import parameters
from experiments.studies.random_lc.config import Config
from experiments.tasks.handwritten import CLASSES
from nifconv import Envelope, FilterBank, ImplicitFilter, SpatialFilter, convert, frozen
from nifconv.filters import FilterFactory

WIDTH = 8
SIZES = (3, 5, 7, 9)
ENVELOPE_WIDTH = 1.5
"""Standard deviation of the Gaussian over taps, in pixels."""
FEATURES = 48
"""Features of an MLP that 7x7 kernels are combined from: real and imaginary, enough to make any 49 taps."""
_WIDEST_STAGE = 4 * WIDTH
_WIDEST = 64


@dataclass(frozen=True)
class Family:
    """A kind of spatial filter.

    Attributes:
        filter: factory of the filter.
        kernel_size: None for kernels as large as the map.
        padding_mode: as for `resnet_lc`.
        tuned_as: family whose learning rates it takes; None for rates of its own.
    """

    filter: FilterFactory
    kernel_size: int | None
    padding_mode: str | None = None
    tuned_as: str | None = None


def taps(kernel_size: int) -> str:
    """Name of the family of independent taps."""
    return f"{kernel_size}x{kernel_size} taps"


FREQUENCY, SMALLEST, LARGEST = "frequency", taps(3), taps(9)
ENVELOPED = f"{LARGEST} under a Gaussian"
WRAPPED_TAPS = "7x7 taps, wrapped"
FREQUENCY_7, WRAPPED_7, FEATURES_7 = "frequency 7x7", "frequency 7x7, wrapped", f"frequency 7x7, {FEATURES} features"
FAMILIES: Mapping[str, Family] = {
    **{taps(size): Family(SpatialFilter, size) for size in SIZES},
    ENVELOPED: Family(Envelope(SpatialFilter, width=ENVELOPE_WIDTH), 9),
    FREQUENCY: Family(ImplicitFilter, None),
    WRAPPED_TAPS: Family(SpatialFilter, 7, "circular", tuned_as=taps(7)),
    FREQUENCY_7: Family(ImplicitFilter, 7, tuned_as=FREQUENCY),
    WRAPPED_7: Family(ImplicitFilter, 7, "circular", tuned_as=FREQUENCY),
    FEATURES_7: Family(partial(ImplicitFilter, hidden=(16, FEATURES)), 7, tuned_as=FREQUENCY),
}


@dataclass(frozen=True)
class Variant:
    """One net.

    Attributes:
        family: key of `FAMILIES`; ignored by a net without LC blocks, which has 3x3 taps.
        learned: whether the spatial filters are learned.
        expansion: E, or None for a net without LC blocks.
        shared: whether all layers share one bank of filters.
        activated: whether BatchNorm and ReLU stand between the spatial filters and the 1x1 convolution.
        sized_as: E of the frozen LC net whose number of learnable parameters is matched; None for the width `WIDTH`.
    """

    family: str
    learned: bool
    expansion: int | None
    shared: bool = False
    activated: bool = False
    sized_as: int | None = None

    @property
    def name(self) -> str:
        """The name in reports and contrasts."""
        words = "learned" if self.learned else "frozen"
        words += " plain 3x3" if self.expansion is None else f" {self.family}, E={self.expansion}"
        words += ", one bank" if self.shared else ""
        words += ", BN+ReLU inside" if self.activated else ""
        return words + (f", as many parameters as frozen E={self.sized_as}" if self.sized_as else "")

    @cached_property
    def width(self) -> int:
        """Channels of the first stage."""
        if self.sized_as is None:
            return WIDTH

        def learnable(width: int) -> int:
            with torch.device("meta"):
                return parameters(self._build(0, width))

        with torch.random.fork_rng(devices=[]):  # the weights of a net must not depend on when its width was asked for
            target = parameters(Variant(SMALLEST, False, self.sized_as).build(0))
            above = bisect_left(range(_WIDEST), target, lo=2, key=learnable)
            return min(above - 1, above, key=lambda width: abs(learnable(width) - target))

    @property
    def attacked(self) -> bool:
        """Whether its robustness is measured."""
        return self.family == SMALLEST and not (self.shared or self.activated or self.sized_as)

    def build(self, seed: int) -> nn.Module:
        """The net, with random weights; frozen filters depend on `seed` alone."""
        return self._build(seed, self.width)

    def _build(self, seed: int, width: int) -> nn.Module:
        net = partial(resnet_lc, 8, width, classes=CLASSES, in_channels=1)
        if self.expansion is None:
            return net() if self.learned else _with_frozen_taps(net(), seed)
        family = FAMILIES[self.family]
        return net(
            expansion=self.expansion,
            kernel_size=family.kernel_size,
            padding_mode=family.padding_mode,
            filter=self._filter(family, seed),
            activation=_norm_and_relu if self.activated else None,
        )

    def _filter(self, family: Family, seed: int) -> FilterFactory:
        if self.learned:
            return family.filter
        factory = frozen(family.filter, seed=seed)
        if not self.shared:
            return factory
        assert self.expansion is not None  # noqa: S101 - for the type checker
        return FilterBank(factory, _WIDEST_STAGE**2 * self.expansion, kernel_size=family.kernel_size)

    @property
    def tuned_as(self) -> Variant:
        """The variant whose learning rate it takes."""
        if self.expansion is None:
            return PLAIN if self.learned else FROZEN_PLAIN
        return Variant(FAMILIES[self.family].tuned_as or self.family, self.learned, self.expansion)


PLAIN, FROZEN_PLAIN = Variant(SMALLEST, True, None), Variant(SMALLEST, False, None)


def grid(sizes: Sequence[int], expansions: Sequence[int]) -> list[Variant]:
    """Frozen and learned filters of every main family, at each E."""
    families = [*map(taps, sizes), ENVELOPED, FREQUENCY]
    return [Variant(family, learned, e) for family in families for learned in (False, True) for e in expansions]


def matched(expansions: Sequence[int]) -> tuple[list[Variant], list[Variant]]:
    """Learned nets, plain and with LC blocks of E=1, of as many learnable parameters as the frozen LC nets."""
    plain, narrow = ([replace(one, sized_as=e) for e in expansions] for one in (PLAIN, Variant(SMALLEST, True, 1)))
    return plain, narrow


def shared(expansions: Sequence[int], studied: int) -> list[Variant]:
    """One frozen bank for all layers."""
    return [Variant(SMALLEST, False, e, shared=True) for e in expansions] + [
        Variant(FREQUENCY, False, studied, shared=True)
    ]


def activated(studied: int) -> list[Variant]:
    """With BatchNorm and ReLU inside the blocks."""
    return [Variant(SMALLEST, learned, studied, activated=True) for learned in (False, True)]


def ladder(studied: int) -> list[Variant]:
    """From global frequency filters to taps: each differs from the one before in one respect."""
    families = (FREQUENCY, WRAPPED_7, FREQUENCY_7, FEATURES_7, taps(7), WRAPPED_TAPS)
    return [Variant(family, False, studied) for family in families]


def every(config: Config) -> list[Variant]:
    """All nets, each once."""
    plain, narrow = matched(config.expansions)
    made = [
        PLAIN,
        FROZEN_PLAIN,
        *grid(config.sizes, config.expansions),
        *plain,
        *narrow,
        *shared(config.expansions, config.studied),
        *activated(config.studied),
        *ladder(config.studied),
    ]
    return list(dict.fromkeys(made))


def _with_frozen_taps(plain: nn.Module, seed: int) -> nn.Module:
    factory = frozen(SpatialFilter, seed=seed)
    return convert(plain, to="dense", filter=factory, where={"kernel_size": 3}, padding_mode="zeros").model


def _norm_and_relu(channels: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
