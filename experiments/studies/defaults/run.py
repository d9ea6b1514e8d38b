"""Which implicit filter learns displaced digits? The frequency net of the quickstart with other filter settings."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning.pytorch import seed_everything

from experiments.nets.separable import frequency_net, parameters
from experiments.study.ledger import Ledger
from experiments.study.training import train_and_test
from experiments.tasks.batches import FreshBatches
from experiments.tasks.displaced import DISPLACEMENTS, displaced_digits
from nifconv import FourierFeatures, ImplicitFilter
from nifconv.filters import FilterFactory

FOURIER = FourierFeatures(reach=24)
FILTERS: Mapping[str, FilterFactory] = {
    "pixel coordinates, hidden (8, 4)": partial(ImplicitFilter, hidden=(8, 4)),
    "pixel coordinates, hidden (16, 16)": partial(ImplicitFilter, hidden=(16, 16)),
    "pixel coordinates, hidden (32, 32)": partial(ImplicitFilter, hidden=(32, 32)),
    "image coordinates, two trunks, hidden (8, 4)": partial(
        ImplicitFilter, hidden=(8, 4), coordinates="image", shared_trunk=False
    ),
    "Fourier features of reach 24, hidden (8, 4)": partial(ImplicitFilter, hidden=(8, 4), encoding=FOURIER),
    "Fourier features of reach 24, hidden (16, 16)": partial(ImplicitFilter, hidden=(16, 16), encoding=FOURIER),
}


@dataclass(frozen=True)
class Recipe:
    """How each net is trained; see `experiments.quickstart.run.Settings` for the names."""

    seeds: tuple[int, ...] = (0, 1)
    epochs: int = 5
    steps: int = 50
    batch_size: int = 32
    learning_rate: float = 0.02
    test_batches: int = 16
    width: int = 24
    depth: int = 1


SMOKE = Recipe(seeds=(0,), epochs=1, steps=1, batch_size=8, test_batches=1, width=4)
"""The same code path in seconds; the accuracies mean nothing."""


def measure(recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    """One row for each filter."""
    rows = []
    for name, factory in FILTERS.items():
        runs = [ledger(f"{name}, seed {seed}", partial(_run, factory, recipe, seed)) for seed in recipe.seeds]
        rows.append(
            {
                "filter": name,
                "parameters": runs[0]["parameters"],
                "accuracy": statistics.mean(run["accuracy"] for run in runs),
                "seconds": statistics.mean(run["seconds"] for run in runs),
                "runs": runs,
            }
        )
    return {"classes": len(DISPLACEMENTS), "rows": rows}


def _run(factory: FilterFactory, recipe: Recipe, seed: int) -> dict[str, Any]:
    seed_everything(seed, verbose=False)
    classes = len(DISPLACEMENTS)
    net = frequency_net(recipe.width, factory, classes=classes, depth=recipe.depth)
    train_task, test_task = displaced_digits()
    # The test has its own digits and its own canvases.
    test_seed = int(torch.iinfo(torch.int32).max) - seed
    outcome = train_and_test(
        net,
        FreshBatches(train_task, recipe.steps, recipe.batch_size, seed),
        FreshBatches(test_task, recipe.test_batches, recipe.batch_size, test_seed),
        classes=classes,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
    )
    return {"seed": seed, "accuracy": outcome.accuracy, "parameters": parameters(net)}
