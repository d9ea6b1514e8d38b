"""Global filters that ring and that do not, with and without a locality penalty: masses, accuracy, size when baked."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from functools import partial

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.filters import PERIODIC, PUBLISHED, RAW, implicit_filters
from experiments.nets.separable import parameters
from experiments.study.ledger import Result
from experiments.study.letters import MAP, TINY, Letters
from experiments.study.sweep import Experiment
from experiments.tasks.glyphs import CHANNELS, SIDE
from nifconv import Envelope, FrequencyConv2d, ImplicitFilter, bake, convert, footprint, locality_penalty
from nifconv.filters import FilterFactory

ENVELOPE = "raw pixel, envelope"
FILTERS: dict[str, FilterFactory] = {
    **implicit_filters(MAP // 2),
    ENVELOPE: Envelope(partial(ImplicitFilter, coordinates="pixel"), width=1.5),
}
PENALISED = (RAW, PUBLISHED, PERIODIC)
_TIMED = 20
"""Runs of a baked net, of which the fastest counts."""


@dataclass(frozen=True)
class Config:
    """What the numbers depend on.

    Attributes:
        letters: the task and the training.
        seeds: of training images, their order and the initial weights.
        rates: learning rates that each filter chooses from.
        strength: of the quadratic locality penalty.
        tolerance: of `bake`.
    """

    letters: Letters = Letters(steps=200)  # noqa: RUF009 - it is frozen
    seeds: tuple[int, ...] = tuple(range(200, 212))
    rates: tuple[float, ...] = (0.01, 0.03, 0.09)
    strength: float = 1e-5
    tolerance: float = 0.1


SMOKE = Config(letters=TINY, seeds=(0, 1), rates=(0.01,))
"""The same code path in seconds; the numbers mean nothing."""


@dataclass(frozen=True)
class Arm:
    """A filter, key of `FILTERS`, and whether a penalty that grows with the distance from the centre is added."""

    filter: str
    penalised: bool = False

    @property
    def name(self) -> str:
        return f"{self.filter}{', penalty' if self.penalised else ''}"

    def build(self, letters: Letters) -> nn.Module:
        return convert(letters.net(), filter=FILTERS[self.filter], padding_mode="zeros").model


def experiments(config: Config) -> list[Experiment[Arm]]:
    """Every filter, and three of them with the penalty."""
    letters, example = config.letters, torch.zeros(1, CHANNELS, SIDE, SIDE)

    def train(arm: Arm, rate: float, seed: int) -> tuple[nn.Module, Result]:
        seed_everything(seed, verbose=False)
        net = arm.build(letters)
        before = masses(net)
        sizes = {layer.name: layer.map_size for layer in footprint.survey(net, example).layers}

        def penalty(net: nn.Module) -> torch.Tensor:
            return config.strength * locality_penalty(net, size=sizes)

        letters.train(net, rate, seed, penalty=penalty if arm.penalised else None)
        return net, before

    def run(arm: Arm, rate: float, seed: int) -> Result:
        net, before = train(arm, rate, seed)
        return {
            "hits": letters.tested(net),
            "fresh": before,
            "trained": masses(net),
            **baked(net, example, config.tolerance),
        }

    arms = [*map(Arm, FILTERS), *(Arm(name, penalised=True) for name in PENALISED)]
    return [
        Experiment(
            arms=arms,
            seeds=lambda _: config.seeds,
            run=run,
            validate=lambda arm, rate, seed: letters.validated(train(arm, rate, seed)[0]),
            grid=lambda _: config.rates,
            tuned_as=lambda arm: Arm(arm.filter),
            facts=lambda arm: {"parameters": parameters(arm.build(letters))},
        )
    ]


@torch.no_grad()
def masses(net: nn.Module) -> Result:
    """Shares of the mass: within windows and within half the map, by layer; and outside 9x9 on the axes.

    Means over the kernels of a layer; the last on maps twice as large, where there is something outside 9x9.
    """
    layers = _frequency_layers(net, SIDE)
    curves = {layer.name: footprint.mass_ratio(layer.taps).mean((0, 1)).tolist() for layer in layers}
    halves = [curves[layer.name][_half(layer.map_size[0]) // 2] for layer in layers]
    cross = [footprint.cross_share(layer.taps).nanmean().item() for layer in _frequency_layers(net, 2 * SIDE)[:1]]
    return {
        "curves": {name: [round(one, 4) for one in curve] for name, curve in curves.items()},
        "half share": statistics.mean(halves),
        "cross share": cross[0],
    }


def _frequency_layers(net: nn.Module, side: int) -> list[footprint.LayerFootprint]:
    layers = footprint.survey(net, torch.zeros(1, CHANNELS, side, side)).layers
    return [layer for layer in layers if isinstance(net.get_submodule(layer.name), FrequencyConv2d)]


def baked(net: nn.Module, example: torch.Tensor, tolerance: float) -> Result:
    """Side of the plain kernels, a geometric mean over layers, and milliseconds for one image."""
    found = bake(net.eval(), example, tolerance=tolerance)
    sizes = [layer.kernel_after[0] for layer in found.report.layers if layer.kernel_after is not None]
    times = []
    with torch.inference_mode():
        for _ in range(_TIMED):
            start = time.perf_counter()
            found.model(example)
            times.append(time.perf_counter() - start)
    return {"baked size": math.exp(statistics.mean(map(math.log, sizes))), "baked ms": 1000 * min(times)}


def _half(side: int) -> int:
    """The largest odd window that is at most half as wide as the map."""
    half = side // 2
    return half if half % 2 else half - 1
