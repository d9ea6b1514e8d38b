"""Do kernels grow where a task needs reach, and only there?

The same nets, with kernels of several sizes given by equal numbers of parameters, on tasks that ask for more and more
reach: displaced digits with growing displacement, and Pathfinder with growing contours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import parameters
from experiments.studies.reach.cut import accuracy, cut, window_in_use
from experiments.studies.reach.nets import Variant, build, variants
from experiments.studies.reach.tasks import CLASSES, PATHFINDER, Task, displaced_tasks, draws, needed_window
from experiments.study.ledger import Ledger
from experiments.study.statistics import spread
from experiments.study.training import train_and_test
from experiments.tasks.batches import Batch, Batches
from nifconv import FrequencyConv2d, footprint

MEASURES = ("size90", "rms_radius")
"""Of `footprint.MEASURES`."""
# Keeps the test canvases apart from the training canvases of the same seed.
_TEST_STREAM = 1_000_003


@dataclass(frozen=True)
class Recipe:
    """What all runs share.

    Attributes:
        seeds: of the canvases and the initial weights.
        distances: displacements of the digits in pixels.
        lengths: of the contours in pixels.
        contour_canvas: side of the Pathfinder canvas.
        kernel_sizes: beside kernels as large as the map.
        displaced_width, contour_width: channels.
        hidden, features: of the implicit filters and their Fourier features.
        displaced_steps, contour_steps: batches to train with, all of them new.
        displaced_rate, contour_rate: peaks of the one-cycle learning rate.
        test_images: drawn for each seed.
        null: fresh draws of each layer that trained kernels are compared with.
        windows: that trained global kernels are cut to.
        cut_images: of the test images, to measure each cut.
    """

    seeds: tuple[int, ...] = (1, 2, 3, 4)
    distances: tuple[int, ...] = (10, 16, 22)
    lengths: tuple[int, ...] = (6, 10, 14)
    contour_canvas: int = 32
    kernel_sizes: tuple[int, ...] = (3, 7, 31)
    displaced_width: int = 12
    contour_width: int = 16
    hidden: tuple[int, ...] = (16, 16)
    features: int = 32
    batch_size: int = 32
    displaced_steps: int = 80
    contour_steps: int = 280
    displaced_rate: float = 0.02
    contour_rate: float = 0.005
    test_images: int = 512
    null: int = 10
    windows: tuple[int, ...] = (3, 7, 11, 15, 19, 23, 27, 31)
    cut_images: int = 256


SMOKE = Recipe(
    seeds=(1, 2),
    distances=(10, 22),
    lengths=(6, 10),
    contour_canvas=24,
    kernel_sizes=(3,),
    displaced_width=2,
    contour_width=2,
    hidden=(4,),
    features=4,
    batch_size=8,
    displaced_steps=2,
    contour_steps=2,
    test_images=16,
    null=2,
    windows=(3, 7),
    cut_images=8,
)
"""The same code path in seconds; the accuracies mean nothing."""


def tasks(recipe: Recipe) -> list[Task]:
    """All of them, each family by ascending reach."""
    contours = [Task(PATHFINDER, length, recipe.contour_canvas) for length in recipe.lengths]
    return [*displaced_tasks(recipe.distances), *contours]


def row_name(task: Task, variant: Variant) -> str:
    """Of the runs of one net on one task."""
    return f"{task.name}: {variant.name}"


def make_net(recipe: Recipe, task: Task, variant: Variant) -> nn.Module:
    """The net, with random weights."""
    width = recipe.contour_width if task.family == PATHFINDER else recipe.displaced_width
    return build(variant, task, width=width, hidden=recipe.hidden, features=recipe.features)


def measure(recipe: Recipe, ledger: Ledger) -> list[dict[str, Any]]:
    """One row for each net on each task."""
    runs: dict[tuple[Task, Variant], list[dict[str, Any]]] = {}
    for seed in recipe.seeds:
        for task in tasks(recipe):
            for variant in variants(task, recipe.kernel_sizes):
                key = f"{row_name(task, variant)}, seed {seed}"

                def work(task: Task = task, variant: Variant = variant, seed: int = seed) -> dict[str, Any]:
                    return {"seed": seed, **train(recipe, task, variant, seed)}

                runs.setdefault((task, variant), []).append(ledger(key, work))
    return [_row(recipe, task, variant, found) for (task, variant), found in runs.items()]


def train(recipe: Recipe, task: Task, variant: Variant, seed: int) -> dict[str, Any]:
    """One net trained, tested and measured."""
    contours = task.family == PATHFINDER
    steps = recipe.contour_steps if contours else recipe.displaced_steps
    images, labels = _canvases(task, steps * recipe.batch_size, seed, 0)
    test = _canvases(task, recipe.test_images, seed + _TEST_STREAM, 1)
    seed_everything(seed, verbose=False)
    net = make_net(recipe, task, variant)
    train_and_test(
        net,
        Batches(images, labels, recipe.batch_size, seed),
        Batches(*test, recipe.test_images),
        classes=CLASSES,
        epochs=1,
        learning_rate=recipe.contour_rate if contours else recipe.displaced_rate,
    )
    found: dict[str, Any] = {"accuracy": accuracy(net, *test)}
    if variant.kernel_size is None:
        found |= _kernels(recipe, task, net, seed)
        found |= _cuts(recipe, net, test)
    return found


@lru_cache(maxsize=4)
def _canvases(task: Task, count: int, seed: int, part: int) -> Batch:
    return draws(task)[part](count, torch.Generator().manual_seed(seed))


def _kernels(recipe: Recipe, task: Task, net: nn.Module, seed: int) -> dict[str, dict[str, float]]:
    """Each measure: median over the trained kernels, and its mean over fresh draws."""
    survey = footprint.survey(net, torch.zeros(1, 1, task.size, task.size), null=recipe.null, seed=seed)
    (layer,) = (layer for layer in survey.layers if layer.kind == FrequencyConv2d.__name__)
    measured = layer.to_dict()["null"]
    return {name: {part: measured[name][part] for part in ("value", "mean")} for name in MEASURES}


def _cuts(recipe: Recipe, net: nn.Module, test: Batch) -> dict[str, Any]:
    images, labels = (part[: recipe.cut_images] for part in test)
    whole = accuracy(net, images, labels)
    found = []
    for side in recipe.windows:
        with cut(net, side):
            found.append(accuracy(net, images, labels))
    return {"cuts": found, "in_use": window_in_use(recipe.windows, found, images.shape[-1], whole, 1 / CLASSES)}


def _row(recipe: Recipe, task: Task, variant: Variant, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": row_name(task, variant),
        "family": task.family,
        "reach": task.reach,
        "size": task.size,
        "needed_window": needed_window(task),
        "net": variant.name,
        "field": variant.field(task),
        "parameters": parameters(make_net(recipe, task, variant)),
        "accuracy": spread([run["accuracy"] for run in runs]),
        "runs": runs,
    }
