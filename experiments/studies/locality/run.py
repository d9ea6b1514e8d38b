"""Nets with large kernels under penalties of several profiles, each at the strength that validates best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn

from experiments.nets.separable import parameters
from experiments.study.ledger import Result
from experiments.study.letters import TINY, Letters
from experiments.study.sweep import Experiment
from experiments.tasks.glyphs import CHANNELS, SIDE
from nifconv import footprint, locality_penalty

NONE, UNIFORM, QUADRATIC, INVERTED = "none", "uniform", "quadratic", "inverted"
_CENTRE = 3


@dataclass(frozen=True)
class Config:
    """What the numbers depend on.

    Attributes:
        letters: the task and the training.
        seeds: of training images, their order and the initial weights.
        kernel_size: of the depthwise taps.
        rates: learning rates that the net without a penalty chooses from.
        rate: learning rate of all nets with a penalty.
        strengths: of penalties, that each profile chooses from.
    """

    letters: Letters = Letters(images=1600)  # noqa: RUF009 - it is frozen
    seeds: tuple[int, ...] = tuple(range(200, 224))
    kernel_size: int = 7
    rate: float = 0.03
    rates: tuple[float, ...] = (0.01, 0.03, 0.09)
    strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2)


SMOKE = Config(letters=TINY, seeds=(0, 1), rates=(0.01,), strengths=(1e-3,))
"""The same code path in seconds; the numbers mean nothing."""


@dataclass(frozen=True)
class Arm:
    """A profile of `locality_penalty`, or none."""

    profile: str

    @property
    def name(self) -> str:
        return self.profile


ARMS = tuple(map(Arm, (NONE, UNIFORM, QUADRATIC, INVERTED)))


def experiments(config: Config) -> list[Experiment[Arm]]:
    """All profiles; what is tuned is the strength, and without a penalty the learning rate."""
    letters = config.letters

    def train(arm: Arm, tuned: float, seed: int) -> nn.Module:
        seed_everything(seed, verbose=False)
        net = letters.net(config.kernel_size)
        if arm.profile == NONE:
            letters.train(net, tuned, seed)
            return net
        strength = tuned / _mean_weight(arm.profile, config.kernel_size)

        def penalty(net: nn.Module) -> Tensor:
            return strength * locality_penalty(net, arm.profile)

        letters.train(net, config.rate, seed, penalty=penalty)
        return net

    def run(arm: Arm, tuned: float, seed: int) -> Result:
        net = train(arm, tuned, seed)
        return {"hits": letters.tested(net), "centre share": _centre(net)}

    return [
        Experiment(
            arms=ARMS,
            seeds=lambda _: config.seeds,
            run=run,
            validate=lambda arm, tuned, seed: letters.validated(train(arm, tuned, seed)),
            grid=lambda arm: config.rates if arm.profile == NONE else config.strengths,
            facts=lambda _: {"parameters": parameters(letters.net(config.kernel_size))},
        )
    ]


@cache
def _mean_weight(profile: str, kernel_size: int) -> float:
    """What `locality_penalty` multiplies a squared weight by, mean over the window: so profiles cost the same."""
    ones = nn.Conv2d(1, 1, kernel_size, bias=False)
    nn.init.ones_(ones.weight)
    return locality_penalty(ones, profile).item() / kernel_size**2


@torch.no_grad()
def _centre(net: nn.Module) -> float:
    """The share of the energy within 3x3, mean over the kernels of all layers."""
    layers = footprint.survey(net, torch.zeros(1, CHANNELS, SIDE, SIDE)).layers
    spatial = [layer.taps for layer in layers if layer.taps.shape[1] == 1]
    return torch.cat([footprint.energy_ratio(taps)[..., _CENTRE // 2].flatten() for taps in spatial]).mean().item()
