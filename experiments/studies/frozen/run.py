"""Accuracy of nets with frozen and with learned filters, under attack too, and where the energy of the kernels is."""

from __future__ import annotations

import statistics

import torch
from torch import nn

from experiments.nets.attacks import pgd
from experiments.nets.separable import parameters
from experiments.studies.frozen.arms import LC, PLAIN, Arm, every
from experiments.studies.frozen.config import Config
from experiments.study import hits
from experiments.study.ledger import Result
from experiments.study.sweep import Experiment
from experiments.study.training import correct
from experiments.tasks.glyphs import glyphs
from nifconv import LCConv2d, footprint


def experiments(config: Config) -> list[Experiment[Arm]]:
    """All nets."""
    letters = config.letters

    def train(arm: Arm, rate: float, seed: int) -> nn.Module:
        net = arm.build(config, seed)
        letters.train(net, rate, seed)
        return net

    def run(arm: Arm, rate: float, seed: int) -> Result:
        net = train(arm, rate, seed)
        found: Result = {"hits": letters.tested(net)}
        if arm.kind == PLAIN or (arm.kind == LC and arm.expansion == config.expansions[-1]):
            found |= _attacked(config, net)
        if arm.kind == LC and arm.kernel_size == config.largest:
            found["centre share"] = _centre(net, config.largest)
        return found

    return [
        Experiment(
            arms=every(config),
            seeds=lambda _: config.seeds,
            run=run,
            validate=lambda arm, rate, seed: letters.validated(train(arm, rate, seed)),
            grid=lambda _: config.rates,
            facts=lambda arm: {"parameters": parameters(arm.build(config, 0)), "channels": arm.width(config)},
        )
    ]


def _attacked(config: Config, net: nn.Module) -> Result:
    """Hits on the first test images before and after projected gradient ascent on the loss."""
    images, labels = (part[: config.attacked] for part in glyphs("test", config.letters.test_images, 0))
    changed = pgd(net.eval(), images, labels, config.epsilon / 255)
    return {
        "clean hits": hits.pack(correct(net, images, labels)),
        "attacked hits": hits.pack(correct(net, changed, labels)),
    }


@torch.no_grad()
def _centre(net: nn.Module, size: int) -> float:
    """The share of the energy within 3x3 of what the 1x1 convolutions combine, mean over kernels and layers."""
    blocks = [block for block in net.modules() if isinstance(block, LCConv2d)]
    return statistics.mean(footprint.energy_ratio(one.combined_taps(size))[..., 1].mean().item() for one in blocks)
