"""Nets trained at one resolution, tested on larger canvases, with digits that grow with the canvas or do not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.filters import PERIODIC, RAW, implicit_filters
from experiments.nets.separable import parameters, separable_net
from experiments.study import hits
from experiments.study.ledger import Result
from experiments.study.sweep import Experiment
from experiments.study.training import correct, fit
from experiments.tasks.batches import FreshBatches
from experiments.tasks.handwritten import CLASSES, Digits, subset
from experiments.tasks.scenes import Scene, Scenes, place, resolutions, source_pools
from nifconv import FrequencyConv2d, ImplicitFilter, convert, footprint
from nifconv.filters import FilterFactory

TAPS, IMAGE = "3x3 taps", "image"
LIMITED = "limited"
"""Image coordinates after training, cut off above the frequencies of the maps that they were trained on."""
FILTERS: dict[str, FilterFactory] = {
    IMAGE: partial(ImplicitFilter, coordinates="image"),
    **{name: implicit_filters(8)[name] for name in (RAW, PERIODIC)},
}
_PLACES = 7
"""Seed of the places of test digits."""


@dataclass(frozen=True)
class Config:
    """What the numbers depend on.

    Attributes:
        seeds: of training images, places, order and initial weights.
        scene: what nets are trained on.
        canvases: larger ones that they are tested on, in pixels.
        width, depth: of the nets; 2x2 max pooling after the first block.
        images: digits to train with.
        steps, batch_size: of training.
        rates: learning rates that each net chooses from.
        test_images: upper limit.
    """

    seeds: tuple[int, ...] = tuple(range(200, 216))
    scene: Scene = Scene(digit=12, canvas=16)  # noqa: RUF009 - it is frozen
    canvases: tuple[int, ...] = (24, 32)
    width: int = 24
    depth: int = 3
    images: int = 200
    steps: int = 200
    batch_size: int = 50
    rates: tuple[float, ...] = (0.01, 0.03, 0.09)
    test_images: int = 1000


SMOKE = Config(seeds=(0, 1), width=4, images=20, steps=2, batch_size=10, rates=(0.01,), test_images=20)
"""The same code path in seconds; the numbers mean nothing."""


@dataclass(frozen=True)
class Arm:
    """`TAPS`, or a key of `FILTERS`: kernels as large as the map."""

    kernels: str

    @property
    def name(self) -> str:
        return self.kernels

    def build(self, config: Config) -> nn.Module:
        """The net; its global pooling takes the maximum, since a mean changes with the blank share of a canvas."""
        net = separable_net(
            config.width, 3, classes=CLASSES, depth=config.depth, halve_after=(0,), pool=nn.AdaptiveMaxPool2d
        )
        return net if self.kernels == TAPS else convert(net, filter=FILTERS[self.kernels]).model


def experiments(config: Config) -> list[Experiment[Arm]]:
    """All kinds of coordinates."""

    def train(arm: Arm, rate: float, seed: int) -> nn.Module:
        seed_everything(seed, verbose=False)
        net = arm.build(config)
        task = Scenes(subset(source_pools()[0], config.images, seed), config.scene)
        fit(net, FreshBatches(task, config.steps, config.batch_size, seed), steps=config.steps, rate=rate)
        return net

    def tested(net: nn.Module, digits: Digits) -> Result:
        return {
            grows: {str(size): hits.pack(_correct(net, digits, scene)) for size, scene in scenes.items()}
            for grows, scenes in resolutions(config.scene, config.canvases).items()
        }

    def run(arm: Arm, rate: float, seed: int) -> Result:
        net, digits = train(arm, rate, seed), source_pools()[2].first(config.test_images)
        found = tested(net, digits)
        if arm.kernels == IMAGE:
            _limit(net, config.scene.canvas)
            found[LIMITED] = tested(net, digits)
        return found

    def validate(arm: Arm, rate: float, seed: int) -> float:
        return _correct(train(arm, rate, seed), source_pools()[1], config.scene).float().mean().item()

    return [
        Experiment(
            arms=[*map(Arm, (TAPS, *FILTERS))],
            seeds=lambda _: config.seeds,
            run=run,
            validate=validate,
            grid=lambda _: config.rates,
            facts=lambda arm: {"parameters": parameters(arm.build(config))},
        )
    ]


def _correct(net: nn.Module, digits: Digits, scene: Scene) -> torch.Tensor:
    """Each digit once, at a place that depends on the scene alone."""
    placed = place(digits.images, scene, torch.Generator().manual_seed(_PLACES))
    return correct(net, placed, digits.labels)


def _limit(net: nn.Module, side: int) -> None:
    """Sets the band limit of every filter to the highest frequency of the map that it was trained on."""
    for layer in footprint.survey(net, torch.zeros(1, 1, side, side)).layers:
        module = net.get_submodule(layer.name)
        if isinstance(module, FrequencyConv2d) and isinstance(module.filter, ImplicitFilter):
            module.filter.band_limit = layer.map_size[0] / 2
