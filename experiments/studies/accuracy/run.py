"""One separable net, its depthwise kernels given by taps or by a small network, with equal numbers of parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import PaddingMode, parameters
from experiments.study.ledger import Result
from experiments.study.letters import TINY, Letters
from experiments.study.sweep import Experiment
from nifconv import ImplicitFilter, convert

TAPS, IMPLICIT = "taps", "implicit"
ZEROS: PaddingMode = "zeros"
CIRCULAR: PaddingMode = "circular"


@dataclass(frozen=True)
class Config:
    """What the numbers depend on.

    Attributes:
        letters: the task and the training.
        seeds: of training images, their order and the initial weights.
        long_seeds: those of nets that are trained for longer.
        longer: factor on the number of steps of these.
        rates: learning rates that each net chooses from.
    """

    letters: Letters = Letters(steps=200)  # noqa: RUF009 - it is frozen
    seeds: tuple[int, ...] = tuple(range(200, 220))
    long_seeds: tuple[int, ...] = tuple(range(200, 214))
    longer: int = 8
    rates: tuple[float, ...] = (0.01, 0.03, 0.09)


SMOKE = Config(letters=TINY, seeds=(0, 1), long_seeds=(0, 1), longer=2, rates=(0.01,))
"""The same code path in seconds; the numbers mean nothing."""


@dataclass(frozen=True)
class Arm:
    """A net.

    Attributes:
        kernels: `TAPS`, or `IMPLICIT` for a filter of at most as many parameters as 3x3 taps.
        kernel_size: None for kernels as large as the map.
        padding: of the depthwise convolutions.
        longer: factor on the number of steps.
    """

    kernels: str
    kernel_size: int | None
    padding: PaddingMode = ZEROS
    longer: int = 1

    @property
    def name(self) -> str:
        size = f"{self.kernel_size}x{self.kernel_size}" if self.kernel_size else "global"
        longer = f", {self.longer}x steps" if self.longer > 1 else ""
        return f"{size} {self.kernels}, {self.padding}{longer}"

    def build(self, letters: Letters) -> nn.Module:
        """The net, with random weights; with 7x7 taps narrower, to have as many parameters as with 3x3 taps."""
        if self.kernels == TAPS:
            assert self.kernel_size is not None  # noqa: S101 - for the type checker
            return letters.net(self.kernel_size, self.padding, _matching_width(letters, self.kernel_size))
        net, equal = letters.net(3, self.padding), ImplicitFilter.with_budget(9 * letters.width)
        return convert(net, filter=equal, kernel_size=self.kernel_size, padding_mode=self.padding).model


def _matching_width(letters: Letters, kernel_size: int) -> int:
    """The width that gives a net as many parameters as one with 3x3 taps."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        target = parameters(letters.net())
        widths = range(1, letters.width + 1)
        return min(widths, key=lambda width: abs(parameters(letters.net(kernel_size, width=width)) - target))


NETS: tuple[tuple[str, int | None], ...] = ((TAPS, 3), (TAPS, 7), (IMPLICIT, 3), (IMPLICIT, 7), (IMPLICIT, None))
ENDS = (NETS[0], NETS[4])
"""The shortest and the longest kernels."""


def experiments(config: Config) -> list[Experiment[Arm]]:
    """All nets with zero padding; the shortest and longest kernels also on maps that wrap around, and for longer."""
    letters = config.letters

    def train(arm: Arm, rate: float, seed: int) -> nn.Module:
        seed_everything(seed, verbose=False)
        net = arm.build(letters)
        letters.train(net, rate, seed, longer=arm.longer)
        return net

    def run(arm: Arm, rate: float, seed: int) -> Result:
        return {"hits": letters.tested(train(arm, rate, seed))}

    arms = [*(Arm(*net) for net in NETS), *(Arm(*net, CIRCULAR) for net in ENDS)]
    return [
        Experiment(
            arms=[*arms, *(Arm(*net, longer=config.longer) for net in ENDS)],
            seeds=lambda arm: config.long_seeds if arm.longer > 1 else config.seeds,
            run=run,
            validate=lambda arm, rate, seed: letters.validated(train(arm, rate, seed)),
            grid=lambda _: config.rates,
            # Longer training takes the rate of its net, with which it is the more accurate the longer it is.
            tuned_as=lambda arm: Arm(arm.kernels, arm.kernel_size, arm.padding),
            facts=lambda arm: {"parameters": parameters(arm.build(letters))},
        )
    ]
