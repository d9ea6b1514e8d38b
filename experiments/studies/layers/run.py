"""A net of four blocks, one of them global at a time, on letters and on displaced digits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.cut import cut, window_in_use
from experiments.nets.filters import MULTI_SCALE, implicit_filters
from experiments.nets.separable import parameters, separable_net
from experiments.study import hits
from experiments.study.ledger import Result
from experiments.study.letters import TINY, Letters
from experiments.study.sweep import Experiment
from experiments.study.training import correct, fit, recalibrate
from experiments.tasks.batches import Batch, FreshBatches
from experiments.tasks.displaced import CANVAS, DISPLACEMENTS, displaced_digits
from nifconv import convert

LETTERS, DISPLACED = "letters", "displaced digits"
NONE, ALL = "none", "all"
DEPTH = 4
CHOICES = (NONE, *(f"block {index + 1}" for index in range(DEPTH)), ALL)
_TEST, _VALIDATION = 1_000_003, 1_000_033
_RECALIBRATION = 8


@dataclass(frozen=True)
class Config:
    """What the numbers depend on.

    Attributes:
        letters: the task of letters and its training.
        seeds: of training data and initial weights.
        letter_seeds: those of letters.
        width, steps, batch_size: of the net for displaced digits, and of its training.
        rates: learning rates that each net chooses from.
        test_canvases: the same ones for all seeds.
        windows: sides that trained kernels are cut to, as shares of the map.
    """

    letters: Letters = Letters(steps=200)  # noqa: RUF009 - it is frozen
    seeds: tuple[int, ...] = tuple(range(200, 212))
    letter_seeds: tuple[int, ...] = tuple(range(200, 206))
    width: int = 8
    steps: int = 200
    batch_size: int = 32
    rates: tuple[float, ...] = (0.01, 0.03, 0.09)
    test_canvases: int = 512
    windows: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 1.0)


SMOKE = Config(
    TINY, (0, 1), (0, 1), width=4, steps=2, batch_size=8, rates=(0.01,), test_canvases=16, windows=(0.3, 1.0)
)
"""The same code path in seconds; the numbers mean nothing."""


@dataclass(frozen=True)
class Arm:
    """A task, and which of the blocks are global."""

    task: str
    reaching: str

    @property
    def name(self) -> str:
        return f"{self.task}: {self.reaching}"

    def build(self, config: Config) -> nn.Module:
        """The net: maps of 16 and 8 px for letters; of 48 and 24 px for displaced digits."""
        if self.task == LETTERS:
            net = config.letters.net(padding_mode="circular")
        else:
            net = separable_net(config.width, 3, classes=len(DISPLACEMENTS), depth=DEPTH, halve_after=(0,))
        if self.reaching == NONE:
            return net
        where = "spatial*" if self.reaching == ALL else f"spatial{CHOICES.index(self.reaching) - 1}"
        reach = 8 if self.task == LETTERS else CANVAS // 2
        return convert(net, filter=implicit_filters(reach)[MULTI_SCALE], where=where).model


def experiments(config: Config) -> list[Experiment[Arm]]:
    """Both tasks with each choice of global blocks."""
    letters = config.letters

    def train(arm: Arm, rate: float, seed: int) -> nn.Module:
        seed_everything(seed, verbose=False)
        net = arm.build(config)
        if arm.task == LETTERS:
            letters.train(net, rate, seed)
        else:
            draws = FreshBatches(_tasks()[0], config.steps, config.batch_size, seed)
            fit(net, draws, steps=config.steps, rate=rate)
        return net

    def run(arm: Arm, rate: float, seed: int) -> Result:
        net = train(arm, rate, seed)
        if arm.task == LETTERS:
            return {"hits": letters.tested(net)}
        canvases = _canvases(config, _TEST)
        found: Result = {"hits": hits.pack(correct(net, *canvases))}
        return found | ({"windows": _windows(config, net, canvases, seed)} if arm.reaching == ALL else {})

    def validate(arm: Arm, rate: float, seed: int) -> float:
        net = train(arm, rate, seed)
        if arm.task == LETTERS:
            return letters.validated(net)
        return correct(net, *_canvases(config, _VALIDATION)).float().mean().item()

    return [
        Experiment(
            arms=[Arm(task, reaching) for task in (LETTERS, DISPLACED) for reaching in CHOICES],
            seeds=lambda arm: config.letter_seeds if arm.task == LETTERS else config.seeds,
            run=run,
            validate=validate,
            grid=lambda _: config.rates,
            facts=lambda arm: {"parameters": parameters(arm.build(config))},
        )
    ]


_tasks = cache(displaced_digits)


@cache
def _canvases(config: Config, seed: int) -> Batch:
    return _tasks()[1](config.test_canvases, torch.Generator().manual_seed(seed))


def _windows(config: Config, net: nn.Module, canvases: Batch, seed: int) -> dict[str, int]:
    """The window in use of each block, in pixels of its own map, the others left as they are."""
    images, labels = canvases
    whole = correct(net, images, labels).float().mean().item()
    found = {}
    for index, side in enumerate((CANVAS, *[CANVAS // 2] * (DEPTH - 1))):
        sides = sorted({2 * (round(share * side) // 2) + 1 for share in config.windows[:-1]} | {side})

        def accuracy(window: int, index: int = index) -> float:
            smaller = cut(net, images[:1], window, [f"spatial{index}"])
            recalibrate(smaller, FreshBatches(_tasks()[0], _RECALIBRATION, config.batch_size, seed + _VALIDATION))
            return correct(smaller, images, labels).float().mean().item()

        found[f"block {index + 1}"] = window_in_use(sides, accuracy, whole, 1 / len(DISPLACEMENTS))
    return found
