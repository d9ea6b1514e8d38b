"""Are frequency convolutions as accurate as 3x3 convolutions, at the trained resolution and at others?"""

from __future__ import annotations

from functools import partial

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import parameters
from experiments.studies.accuracy.config import Config
from experiments.studies.accuracy.variants import (
    CIRCULAR,
    FAMILIES,
    IMAGE,
    PIXEL,
    PIXEL_LARGE,
    TAPS_3,
    Variant,
    variants,
)
from experiments.study.judge import spread
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep, Trial, best
from experiments.study.training import accuracy, train_and_test
from experiments.tasks.batches import Batches, FreshBatches
from experiments.tasks.handwritten import CLASSES, Digits, subset
from experiments.tasks.scenes import Scene, Scenes, place, resolutions, source_pools
from nifconv import count_parameters
from nifconv.layers import FrequencyConv

_KEY = "{variant.variant.name} rate {variant.rate} seed {seed}"
_TEST_BATCH = 100
_PLACES = 7
"""Seed of the places of test digits."""


def measure(config: Config, ledger: Ledger) -> Result:
    """What results.json holds besides settings and verdicts."""
    tuning = [_tune(config, family, ledger) for family in FAMILIES]
    rates = {one["family"]: one["learning_rate"] for one in tuning}
    trials = [Trial(one, rates[one.family]) for one in variants(config.kernel_sizes, config.longer)]
    runs = Sweep(trials, config.seeds, partial(_run, config), _KEY).runs(ledger)
    train, validation, test = source_pools()
    return {
        "classes": CLASSES,
        "images": {
            "train_pool": len(train),
            "validation": len(validation),
            "test": min(len(test), config.test_images),
        },
        "tuning": tuning,
        "rows": [_row(config, trial, found) for trial, found in runs.items()],
        "counts": counts(config),
    }


def counts(config: Config) -> list[Result]:
    """Parameters of whole nets by kernel size: given by taps, and by one frequency filter.

    Taps as large as the map are counted for the trained canvas, at every layer.
    """
    rows = []
    for size in (*config.counted_sizes, None):
        taps = Variant(TAPS_3, CIRCULAR, size or config.scene.canvas).build(config.shape)
        frequency = Variant(PIXEL_LARGE, CIRCULAR, size).build(config.shape)
        rows.append({"kernel_size": size, "taps": parameters(taps), "frequency": parameters(frequency)})
    return rows


def _tune(config: Config, family: str, ledger: Ledger) -> Result:
    """Validation accuracy at each learning rate, with circular padding, and the best rate."""
    trials = [Trial(Variant(family, CIRCULAR, FAMILIES[family].kernel_size), rate) for rate in config.learning_rates]
    tried = Sweep(trials, config.tuning_seeds, partial(_validate, config), f"tune {_KEY}").accuracies(ledger)
    return {
        "family": family,
        "learning_rate": best(tried).rate,
        "trials": [{"learning_rate": trial.rate, "accuracy": found} for trial, found in tried.items()],
    }


def _row(config: Config, trial: Trial[Variant], runs: list[Result]) -> Result:
    variant = trial.variant
    return {
        "name": variant.name,
        **vars(variant),
        "width": variant.width(config.shape),
        "parameters": count_parameters(variant.build(config.shape)).to_dict(),
        "learning_rate": trial.rate,
        "accuracy": spread([run["accuracy"] for run in runs]),
        "resolution": {
            kind: {size: spread([run["resolution"][kind][size] for run in runs]) for size in by_size}
            for kind, by_size in runs[0]["resolution"].items()
        },
        "gain": {size: spread([run["gain"][size] for run in runs]) for size in runs[0]["gain"]},
        "runs": runs,
    }


def _validate(config: Config, trial: Trial[Variant], seed: int) -> Result:
    _, found = _train(config, trial, seed, source_pools()[1])
    return {"accuracy": found}


def _run(config: Config, trial: Trial[Variant], seed: int) -> Result:
    test = source_pools()[2]
    net, found = _train(config, trial, seed, test.first(config.test_images))
    few = test.first(config.resolution_images)
    # JSON has text keys only; with them from the start, finished runs read from the ledger are like new ones.
    resolution = {
        kind: {str(size): accuracy(net, _shown(few, scene), classes=CLASSES) for size, scene in scenes.items()}
        for kind, scenes in resolutions(config.scene, config.canvases).items()
    }
    return {"accuracy": found, "resolution": resolution, "gain": _gains(config, net, trial.variant)}


def _train(config: Config, trial: Trial[Variant], seed: int, test: Digits) -> tuple[nn.Module, float]:
    """The trained net and its accuracy at the resolution it was trained at."""
    seed_everything(seed, verbose=False)
    net = trial.variant.build(config.shape)
    task = Scenes(subset(source_pools()[0], config.train_images, seed), config.scene)
    outcome = train_and_test(
        net,
        FreshBatches(task, config.steps, config.batch_size, seed),
        _shown(test, config.scene),
        classes=CLASSES,
        epochs=config.epochs * trial.variant.longer,
        learning_rate=trial.rate,
    )
    return net, outcome.accuracy


def _gains(config: Config, net: nn.Module, variant: Variant) -> dict[str, float]:
    """Gain of the first layer's trained filters under white input, by map size; for the two kinds of coordinates."""
    if variant.family not in (PIXEL, IMAGE):
        return {}
    layer = next(module for module in net.modules() if isinstance(module, FrequencyConv))
    gains = {}
    for size in sorted({config.scene.canvas, *config.canvases}):
        with torch.no_grad():
            taps = layer.filter.taps(layer.applied_size(size))  # (channels, 1, *size)
        gains[str(size)] = taps.square().flatten(1).sum(1).mean().sqrt().item()
    return gains


def _shown(digits: Digits, scene: Scene) -> Batches:
    """Each digit once, at a place that depends on the scene alone."""
    placed = place(digits.images, scene, torch.Generator().manual_seed(_PLACES))
    return Batches(placed, digits.labels, _TEST_BATCH)
