"""Are frequency convolutions as accurate as 3x3 convolutions, at the trained resolution and at others?"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import parameters
from experiments.studies.accuracy import verdict
from experiments.studies.accuracy.arms import CIRCULAR, FAMILIES, IMAGE, PIXEL, PIXEL_LARGE, TAPS_3, Arm, Shape, arms
from experiments.studies.accuracy.scenes import Scene, Scenes, place, resolutions, source_pools
from experiments.study.ledger import Ledger
from experiments.study.statistics import spread
from experiments.study.training import accuracy, train_and_test
from experiments.tasks.batches import Batches, FreshBatches
from experiments.tasks.handwritten import CLASSES, Digits, subset
from nifconv import count_parameters
from nifconv.layers import FrequencyConv

_SHAPE = Shape(width=24, depth=3, halve_after=(0,))
_SCENE = Scene(digit=12, canvas=16)
_TEST_BATCH = 100
_PLACES = 7
"""Seed of where the digits to test with stand."""


@dataclass(frozen=True)
class Recipe:
    """What all runs share.

    Attributes:
        seeds: of the training images, their places, their order and the initial weights.
        first_seeds: how many of them there were when the claims were first judged; so much was open that the others
            were added.
        shape: of the nets.
        scene: that nets are trained on.
        canvases: that they are tested on besides.
        kernel_sizes: of the frequency filter that is also sampled on few taps.
        counted_sizes: of kernels whose parameters are counted, besides those as large as the map.
        train_images: digits drawn from the training pool for each seed.
        test_images, resolution_images: at most so many digits, the first ones, at the trained and at each other
            resolution.
        batch_size, steps, epochs: of training.
        longer: times the epochs of the nets that are trained for longer too.
        learning_rates: one-cycle peaks to choose from for each family, with `tuning_seeds`.
    """

    seeds: tuple[int, ...] = tuple(range(10))
    first_seeds: int = 5
    shape: Shape = _SHAPE
    scene: Scene = _SCENE
    canvases: tuple[int, ...] = (12, 24, 32, 48)
    kernel_sizes: tuple[int, ...] = (3, 7)
    counted_sizes: tuple[int, ...] = (3, 5, 7, 15)
    train_images: int = 200
    test_images: int = 1000
    resolution_images: int = 200
    batch_size: int = 50
    steps: int = 40
    epochs: int = 5
    longer: int = 2
    learning_rates: tuple[float, ...] = (0.005, 0.02, 0.08, 0.32)
    tuning_seeds: tuple[int, ...] = (100, 101)


SMOKE = Recipe(
    seeds=(0, 1),
    first_seeds=1,
    shape=Shape(width=8, depth=1, halve_after=(0,)),
    canvases=(24, 32),
    kernel_sizes=(3,),
    train_images=16,
    test_images=20,
    resolution_images=10,
    batch_size=8,
    steps=1,
    epochs=1,
    learning_rates=(0.01,),
    tuning_seeds=(100,),
)
"""The same code path in seconds; the accuracies mean nothing."""


def measure(recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    """What results.json holds besides the settings."""
    tuning = [_tune(family, recipe, ledger) for family in FAMILIES]
    rates = {trial["family"]: trial["learning_rate"] for trial in tuning}
    rows = [_row(arm, rates[arm.family], recipe, ledger) for arm in arms(recipe.kernel_sizes, recipe.longer)]
    train, validation, test = source_pools()
    return {
        "classes": CLASSES,
        "images": {
            "train_pool": len(train),
            "validation": len(validation),
            "test": min(len(test), recipe.test_images),
        },
        "tuning": tuning,
        "rows": rows,
        "counts": counts(recipe),
        **verdict.judge_rows(rows, recipe.canvases, recipe.scene.canvas),
    }


def counts(recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters of whole nets by kernel size: given by taps, and by one frequency filter.

    Taps as large as the map are counted for the trained canvas, at every layer.
    """
    rows = []
    for size in (*recipe.counted_sizes, None):
        taps = Arm(TAPS_3, CIRCULAR, size or recipe.scene.canvas).build(recipe.shape)
        frequency = Arm(PIXEL_LARGE, CIRCULAR, size).build(recipe.shape)
        rows.append({"kernel_size": size, "taps": parameters(taps), "frequency": parameters(frequency)})
    return rows


def _tune(family: str, recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    """Validation accuracy at each learning rate, with maps that wrap around, and the best rate."""
    arm = Arm(family, CIRCULAR, FAMILIES[family].kernel_size)
    trials = []
    for rate in recipe.learning_rates:
        runs = [
            ledger(f"tune {arm.name} rate {rate} seed {seed}", partial(_validate, arm, rate, seed, recipe))
            for seed in recipe.tuning_seeds
        ]
        trials.append({"learning_rate": rate, "accuracy": statistics.mean(run["accuracy"] for run in runs)})
    best = max(trials, key=lambda trial: trial["accuracy"])
    return {"family": family, "learning_rate": best["learning_rate"], "trials": trials}


def _row(arm: Arm, rate: float, recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    runs = [
        {"seed": seed, **ledger(f"{arm.name} rate {rate} seed {seed}", partial(_run, arm, rate, seed, recipe))}
        for seed in recipe.seeds
    ]
    return {
        "name": arm.name,
        **vars(arm),
        "width": arm.width(recipe.shape),
        "parameters": count_parameters(arm.build(recipe.shape)).to_dict(),
        "learning_rate": rate,
        "accuracy": spread([run["accuracy"] for run in runs]),
        "resolution": {
            kind: {size: spread([run["resolution"][kind][size] for run in runs]) for size in by_size}
            for kind, by_size in runs[0]["resolution"].items()
        },
        "gain": {size: spread([run["gain"][size] for run in runs]) for size in runs[0]["gain"]},
        "runs": runs,
    }


def _validate(arm: Arm, rate: float, seed: int, recipe: Recipe) -> dict[str, Any]:
    _, found = _train(arm, rate, seed, recipe, source_pools()[1])
    return {"accuracy": found}


def _run(arm: Arm, rate: float, seed: int, recipe: Recipe) -> dict[str, Any]:
    test = source_pools()[2]
    net, found = _train(arm, rate, seed, recipe, test.first(recipe.test_images))
    few = test.first(recipe.resolution_images)
    # JSON has text keys only; with them from the start, kept runs are like new ones.
    resolution = {
        kind: {str(size): accuracy(net, _shown(few, scene), classes=CLASSES) for size, scene in scenes.items()}
        for kind, scenes in resolutions(recipe.scene, recipe.canvases).items()
    }
    return {"accuracy": found, "resolution": resolution, "gain": _gains(net, arm, recipe)}


def _train(arm: Arm, rate: float, seed: int, recipe: Recipe, test: Digits) -> tuple[nn.Module, float]:
    """The trained net and its accuracy at the resolution it was trained at."""
    seed_everything(seed, verbose=False)
    net = arm.build(recipe.shape)
    task = Scenes(subset(source_pools()[0], recipe.train_images, seed), recipe.scene)
    outcome = train_and_test(
        net,
        FreshBatches(task, recipe.steps, recipe.batch_size, seed),
        _shown(test, recipe.scene),
        classes=CLASSES,
        epochs=recipe.epochs * arm.longer,
        learning_rate=rate,
    )
    return net, outcome.accuracy


def _gains(net: nn.Module, arm: Arm, recipe: Recipe) -> dict[str, float]:
    """Of the first layer's trained filters under white input, by map size; for the two that compare coordinates."""
    if arm.family not in (PIXEL, IMAGE):
        return {}
    layer = next(module for module in net.modules() if isinstance(module, FrequencyConv))
    gains = {}
    for size in sorted({recipe.scene.canvas, *recipe.canvases}):
        with torch.no_grad():
            taps = layer.filter.taps(layer.applied_size(size))
        gains[str(size)] = taps.square().flatten(1).sum(1).mean().sqrt().item()
    return gains


def _shown(digits: Digits, scene: Scene) -> Batches:
    """Each digit once, at a place that depends on the scene alone."""
    placed = place(digits.images, scene, torch.Generator().manual_seed(_PLACES))
    return Batches(placed, digits.labels, _TEST_BATCH)
