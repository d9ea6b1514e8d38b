"""The nets that are compared: the same ones with frozen and with learned filters, which start from the same draw."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from experiments.nets.blocks import KINDS, block_net
from experiments.nets.resnet_lc import resnet_lc
from experiments.nets.separable import parameters
from experiments.studies.frozen.config import Config
from experiments.tasks.glyphs import CLASSES
from nifconv import FilterBank, ImplicitFilter, SpatialFilter, convert, frozen
from nifconv.filters import FilterFactory

LC, PLAIN = "LC", "plain"
_WIDEST = 64
WHOLE, FEW = -1, 8
"""Sizes of a bank."""
_STAGES = 4
"""Channels of the last stage over those of the first."""


@dataclass(frozen=True)
class Arm:
    """One net.

    Attributes:
        kind: `LC`, `PLAIN` (ResNet-8 without LC blocks), or one of `nets.blocks.KINDS`.
        learned: whether spatial filters are learned.
        expansion: E, spatial filters for each output channel of an LC block.
        kernel_size: of the taps; 0 for frequency filters as large as the map.
        bank: number of filters that all layers share, the widest ones several times; `WHOLE` for as many as the widest
            layer has, 0 for filters of each layer's own.
        sized_as: E of the frozen LC net whose number of learnable parameters is matched; 0 for the given width.
    """

    kind: str
    learned: bool
    expansion: int = 0
    kernel_size: int = 3
    bank: int = 0
    sized_as: int = 0

    @property
    def name(self) -> str:
        words = "learned" if self.learned else "frozen"
        if self.kind != LC:
            return f"{words} {self.kind}"
        size = f"{self.kernel_size}x{self.kernel_size}" if self.kernel_size else "frequency"
        words += f" {size}, E={self.expansion}{self._shared}"
        return words + (f", as many parameters as frozen E={self.sized_as}" if self.sized_as else "")

    @property
    def _shared(self) -> str:
        if not self.bank:
            return ""
        return ", one bank" if self.bank == WHOLE else f", one bank of {self.bank}"

    def build(self, config: Config, seed: int) -> nn.Module:
        """The net; learned filters start from the frozen draw of the same seed, and all other weights are the same."""
        torch.manual_seed(seed)
        made = self._build(seed, self.width(config))
        if not self.learned or self.kind == PLAIN:
            return made
        torch.manual_seed(seed)
        made.load_state_dict(replace(self, learned=False)._build(seed, self.width(config)).state_dict())
        return made

    def width(self, config: Config) -> int:
        """Channels of the first stage."""
        if not self.sized_as:
            return config.block_width if self.kind in KINDS else config.width

        def learnable(width: int) -> int:
            with torch.device("meta"):
                return parameters(self._build(0, width))

        with torch.random.fork_rng(devices=[]):
            target = parameters(Arm(LC, learned=False, expansion=self.sized_as)._build(0, config.width))
            above = bisect_left(range(_WIDEST), target, lo=2, key=learnable)
            return min(above - 1, above, key=lambda width: abs(learnable(width) - target))

    def _build(self, seed: int, width: int) -> nn.Module:
        if self.kind in KINDS:
            net: nn.Module = block_net(self.kind, width, classes=CLASSES)
            # The one line by which a net is frozen.
            return convert(net, to="dense", filter=self._filter(SpatialFilter, seed), where=_is_spatial).model
        if self.kind == PLAIN:
            net = resnet_lc(8, width, classes=CLASSES)
        else:
            made = self._filter(SpatialFilter if self.kernel_size else ImplicitFilter, seed)
            if self.bank:
                kernels = (_STAGES * width) ** 2 * self.expansion if self.bank == WHOLE else self.bank
                made = FilterBank(made, kernels, kernel_size=self.kernel_size or None, repeat=True)
            net = resnet_lc(
                8, width, expansion=self.expansion, kernel_size=self.kernel_size or None, filter=made, classes=CLASSES
            )
        return nn.Sequential(nn.AvgPool2d(2), net)  # letters at half their resolution, for speed

    def _filter(self, filter: FilterFactory, seed: int) -> FilterFactory:
        return filter if self.learned else frozen(filter, seed=seed)


def _is_spatial(_: str, conv: nn.Module) -> bool:
    """Kernels of 3x3 or more; patches and 1x1 convolutions are learned."""
    return isinstance(conv, nn.Conv2d) and min(conv.kernel_size) > 2


def pair(*given: object, **more: object) -> tuple[Arm, Arm]:
    """The net with learned filters and that with frozen ones."""
    return tuple(Arm(given[0], learned, *given[1:], **more) for learned in (True, False))  # type: ignore[return-value, arg-type]


def every(config: Config) -> list[Arm]:
    """All nets."""
    return [
        Arm(PLAIN, learned=True),
        *(arm for e in config.expansions for arm in pair(LC, e)),
        *pair(LC, config.expansions[0], config.largest),
        *pair(LC, config.studied, 0),
        *pair(LC, config.studied, bank=WHOLE),
        *pair(LC, config.studied, bank=FEW),
        *matched(config.expansions),
        *(arm for kind in KINDS for arm in pair(kind)),
    ]


def matched(expansions: Sequence[int]) -> list[Arm]:
    """Learned nets with E=1 of as many learnable parameters as the frozen ones with the least and the largest E."""
    return [Arm(LC, learned=True, expansion=1, sized_as=e) for e in (expansions[0], expansions[-1])]
