"""A 3x3 net learns near displacements; converted or not, it is fine-tuned on far ones that 3x3 kernels cannot see."""

from __future__ import annotations

import copy
import math
import statistics
import time
from dataclasses import dataclass
from functools import cache, lru_cache

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.filters import MULTI_SCALE, PERIODIC, implicit_filters
from experiments.nets.separable import parameters, separable_net
from experiments.study import hits
from experiments.study.ledger import Result
from experiments.study.sweep import Experiment
from experiments.study.training import correct, fit, steps_to
from experiments.tasks.batches import Batch, FreshBatches
from experiments.tasks.displaced import CANVAS, DisplacedDigits, displaced_digits
from nifconv import bake, convert

PLAIN, SCRATCH = "plain, fine-tuned", "multi-scale, from scratch"
CONVERTED = {f"{name}, converted": name for name in (MULTI_SCALE, PERIODIC)}
CLASSES = 2
_TEST, _VALIDATION = 1_000_003, 1_000_033
_SOLVED = 0.9
_TIMED = 3


@dataclass(frozen=True)
class Config:
    """What the numbers depend on.

    Attributes:
        seeds: of canvases, their order and the initial weights.
        near, far: displacements in pixels, to the right or downwards; which of the two is the question.
        width, depth: of the net.
        steps, tuning_steps, batch_size: of training on near displacements and of fine-tuning on far ones.
        rate: learning rate of the former.
        rates: learning rates of fine-tuning that each arm chooses from.
        test_canvases: the same ones for all seeds.
        tolerance: of `bake`.
    """

    seeds: tuple[int, ...] = tuple(range(200, 212))
    near: int = 10
    far: int = 22
    width: int = 8
    depth: int = 3
    steps: int = 200
    tuning_steps: int = 150
    batch_size: int = 32
    rate: float = 0.03
    rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    test_canvases: int = 1024
    tolerance: float = 0.01


SMOKE = Config(seeds=(0, 1), width=4, depth=1, steps=2, tuning_steps=2, batch_size=8, rates=(0.01,), test_canvases=16)
"""The same code path in seconds; the numbers mean nothing."""


@dataclass(frozen=True)
class Arm:
    """What is fine-tuned on far displacements."""

    start: str

    @property
    def name(self) -> str:
        return self.start

    def build(self, config: Config, seed: int) -> nn.Module:
        """The net before it sees a far displacement."""
        filters = implicit_filters(CANVAS // 2)
        if self.start == SCRATCH:
            seed_everything(seed, verbose=False)
            return convert(_untrained(config), filter=filters[MULTI_SCALE]).model
        near = copy.deepcopy(_near(config, seed))
        if self.start == PLAIN:
            return near
        seed_everything(seed, verbose=False)
        example = torch.zeros(1, 1, CANVAS, CANVAS)
        # Any residual is a result here, and no reason to warn.
        chosen = filters[CONVERTED[self.start]]
        return convert(near, filter=chosen, match=True, tolerance=1.0, example_input=example).model


ARMS = tuple(map(Arm, (PLAIN, *CONVERTED, SCRATCH)))


def experiments(config: Config) -> list[Experiment[Arm]]:
    """All starts."""

    def train(arm: Arm, rate: float, seed: int) -> tuple[nn.Module, list[float], float]:
        net = arm.build(config, seed)
        before = correct(net, *_canvases(config, config.near, _TEST)).float().mean().item()
        batches = FreshBatches(_task(config.far)[0], config.tuning_steps, config.batch_size, seed)
        return net, fit(net, batches, steps=config.tuning_steps, rate=rate), before

    def run(arm: Arm, rate: float, seed: int) -> Result:
        net, curve, before = train(arm, rate, seed)
        return {
            "far hits": hits.pack(correct(net, *_canvases(config, config.far, _TEST))),
            "near hits": hits.pack(correct(net, *_canvases(config, config.near, _TEST))),
            "share before": before,
            "steps": steps_to(curve, _SOLVED),
            **_deployed(config, net),
        }

    def validate(arm: Arm, rate: float, seed: int) -> float:
        net, _, _ = train(arm, rate, seed)
        return correct(net, *_canvases(config, config.far, _VALIDATION)).float().mean().item()

    return [
        Experiment(
            arms=ARMS,
            seeds=lambda _: config.seeds,
            run=run,
            validate=validate,
            grid=lambda _: config.rates,
            facts=lambda arm: {"parameters": parameters(arm.build(config, config.seeds[0]))},
        )
    ]


def _untrained(config: Config) -> nn.Module:
    return separable_net(config.width, 3, classes=CLASSES, depth=config.depth)


@lru_cache(maxsize=2)
def _near(config: Config, seed: int) -> nn.Module:
    """The 3x3 net after training on near displacements, in which every arm but one starts."""
    seed_everything(seed, verbose=False)
    net = _untrained(config)
    fit(
        net,
        FreshBatches(_task(config.near)[0], config.steps, config.batch_size, seed),
        steps=config.steps,
        rate=config.rate,
    )
    return net


@cache
def _task(distance: int) -> tuple[DisplacedDigits, DisplacedDigits]:
    return displaced_digits((distance,))


@cache
def _canvases(config: Config, distance: int, seed: int) -> Batch:
    return _task(distance)[1](config.test_canvases, torch.Generator().manual_seed(seed))


def _deployed(config: Config, net: nn.Module) -> Result:
    """Side of the plain kernels after `bake`, and milliseconds for one image."""
    example = torch.zeros(1, 1, CANVAS, CANVAS)
    found = bake(net.eval(), example, tolerance=config.tolerance)
    sizes = [layer.kernel_after[0] for layer in found.report.layers if layer.kernel_after is not None] or [3]
    return {
        "baked size": math.exp(statistics.mean(map(math.log, sizes))),
        "ms": _milliseconds(net, example),
        "baked ms": _milliseconds(found.model, example),
    }


def _milliseconds(net: nn.Module, example: torch.Tensor) -> float:
    times = []
    with torch.inference_mode():
        for _ in range(_TIMED):
            start = time.perf_counter()
            net(example)
            times.append(time.perf_counter() - start)
    return 1000 * min(times)
