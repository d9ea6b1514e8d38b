"""Displaced digits in every direction, and Pathfinder: accuracy, steps, and the window that trained kernels need."""

from __future__ import annotations

from functools import lru_cache

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.cut import cut, window_in_use
from experiments.nets.separable import parameters
from experiments.studies.reach.arms import CONTOURS, ONE, Arm, contours, each_distance, every_direction
from experiments.studies.reach.config import Config
from experiments.study import hits
from experiments.study.ledger import Result
from experiments.study.sweep import Experiment
from experiments.study.training import correct, fit, recalibrate, steps_to
from experiments.tasks.batches import Batch, FreshBatches

_SOLVED = 0.9
_TEST, _VALIDATION = 1_000_003, 1_000_033
"""Seeds of the canvases to test and to validate with."""
_RECALIBRATION = 8
"""Batches."""


def experiments(config: Config) -> list[Experiment[Arm]]:
    """Which filter gets there; how much window is in use; contours."""

    def train(arm: Arm, rate: float, seed: int) -> tuple[nn.Module, list[float]]:
        draw = arm.draws(config)[0]
        steps = config.contour_steps if arm.task == CONTOURS else config.steps
        seed_everything(seed, verbose=False)
        net = arm.build(config)
        return net, fit(net, FreshBatches(draw, steps, config.batch_size, seed), steps=steps, rate=rate)

    def run(arm: Arm, rate: float, seed: int) -> Result:
        net, curve = train(arm, rate, seed)
        found: Result = {
            "hits": hits.pack(correct(net, *_canvases(config, arm, _TEST))),
            "steps": steps_to(curve, _SOLVED),
        }
        if arm.task == ONE:
            found["window"] = _window(config, arm, net, seed)
        return found

    def validate(arm: Arm, rate: float, seed: int) -> float:
        net, _ = train(arm, rate, seed)
        return correct(net, *_canvases(config, arm, _VALIDATION)).float().mean().item()

    return [
        Experiment(
            arms=[*every_direction(), *each_distance(config), *contours(config)],
            seeds=lambda _: config.seeds,
            run=run,
            validate=validate,
            grid=lambda arm: config.contour_rates if arm.task == CONTOURS else config.rates,
            # Along the axes, and of several distances or lengths at the largest.
            tuned_as=lambda arm: Arm(arm.task, arm.filter, "axes" if arm.direction else "", _largest(config, arm)),
            facts=lambda arm: {"parameters": parameters(arm.build(config))},
        )
    ]


def _largest(config: Config, arm: Arm) -> int:
    return {ONE: config.distances[-1], CONTOURS: config.lengths[-1]}.get(arm.task, 0)


@lru_cache(maxsize=32)
def _canvases(config: Config, arm: Arm, seed: int) -> Batch:
    """The same canvases for every net on a task."""
    _, draw, _ = arm.draws(config)
    return draw(config.test_canvases, torch.Generator().manual_seed(seed))


def _window(config: Config, arm: Arm, net: nn.Module, seed: int) -> int:
    """The window in use, with statistics of BatchNorm of new training canvases for each cut."""
    train, _, classes = arm.draws(config)
    images, labels = _canvases(config, arm, _TEST)

    def accuracy(side: int) -> float:
        smaller = cut(net, images[:1], side)
        recalibrate(smaller, FreshBatches(train, _RECALIBRATION, config.batch_size, seed + _VALIDATION))
        return correct(smaller, images, labels).float().mean().item()

    return window_in_use(config.windows, accuracy, correct(net, images, labels).float().mean().item(), 1 / classes)
