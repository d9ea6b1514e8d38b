"""Are trained kernels local because training makes them so, or because they were so before?

Grabinski, Keuper & Keuper 2024 find that filters which could fill the map are local after training. Their filters are
MLPs on frequencies, smooth and therefore local from the start. Here the same net is trained with five parameterisations
of its map-sized kernels, two of which prefer no place, and surveyed before and after training beside fresh draws.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import parameters
from experiments.studies.footprint_prior import verdict
from experiments.studies.footprint_prior.arms import ARMS, FREE, build
from experiments.studies.footprint_prior.measures import compare, mean_of, without_curves
from experiments.studies.footprint_prior.tasks import CANVAS, DECAYED, ONE, TWO, Condition, Split
from experiments.study.ledger import Ledger
from experiments.study.statistics import spread
from experiments.study.training import train_and_test
from experiments.tasks.batches import Draw, FreshBatches
from nifconv import footprint

_TEST_SEED = 1_000_000
"""Added to a run's seed: the test has its own images, and the same ones for all parameterisations."""


@dataclass(frozen=True)
class Recipe:
    """What all runs share.

    Attributes:
        seeds: of initial weights, offsets of Fourier features, training and test images.
        width: channels of all maps.
        null: fresh nets that each net is compared with.
        epochs, steps, batch_size: passes, batches in each, images in each batch, all drawn anew.
        test_batches: of the same size, of digits that were not trained with.
        learning_rates: one-cycle peaks to choose from, by validation, for each condition and parameterisation.
        tuning_seeds: other ones than `seeds`.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    width: int = 12
    null: int = 20
    epochs: int = 8
    steps: int = 40
    batch_size: int = 32
    test_batches: int = 32
    learning_rates: tuple[float, ...] = (0.005, 0.02, 0.05)
    tuning_seeds: tuple[int, ...] = (100,)


SMOKE = Recipe(seeds=(0, 1), width=2, null=2, epochs=1, steps=1, batch_size=4, test_batches=1, learning_rates=(0.01,))
"""The same code path in seconds; the numbers mean nothing."""


@dataclass(frozen=True)
class Cell:
    """One parameterisation under one condition."""

    recipe: Recipe
    condition: Condition
    split: Split
    arm: str

    def net(self, seed: int) -> nn.Module:
        """Untrained; weights are drawn from the global random state."""
        return build(self.arm, self.recipe.width, self.condition.classes, seed)

    def tune(self, ledger: Ledger) -> list[dict[str, Any]]:
        """Validation accuracy at each learning rate, with other seeds than the final runs."""
        return [self._trial(ledger, rate) for rate in self.recipe.learning_rates]

    def row(self, ledger: Ledger, rate: float) -> dict[str, Any]:
        """All final runs, and means over them."""
        runs = [
            ledger(f"{self.condition.name}, {self.arm}, seed {seed}", partial(self.run, rate, seed))
            for seed in self.recipe.seeds
        ]
        return {
            "condition": self.condition.name,
            "arm": self.arm,
            "learning_rate": rate,
            "parameters": parameters(self.net(self.recipe.seeds[0])),
            "accuracy": spread([run["accuracy"] for run in runs]),
            "layers": [mean_of(layers) for layers in zip(*(run["layers"] for run in runs), strict=True)],
            "runs": [{**run, "layers": [without_curves(layer) for layer in run["layers"]]} for run in runs],
        }

    def run(self, rate: float, seed: int) -> dict[str, Any]:
        """Surveys a net, trains and tests it, and surveys it again."""
        seed_everything(seed, verbose=False)
        net = self.net(seed)
        example = torch.zeros(1, 1, CANVAS, CANVAS)
        before = footprint.survey(net, example, null=self.recipe.null, seed=seed, fresh=partial(self.net, seed))
        accuracy = self._train(net, self.split.test, rate, seed)
        after = footprint.survey(net, example)
        return {"seed": seed, "accuracy": accuracy, "layers": compare(before, after)}

    def _trial(self, ledger: Ledger, rate: float) -> dict[str, Any]:
        key = f"tuning: {self.condition.name}, {self.arm}, learning rate {rate}"
        runs = [ledger(f"{key}, seed {seed}", partial(self._validate, rate, seed)) for seed in self.recipe.tuning_seeds]
        accuracy = statistics.mean(run["accuracy"] for run in runs)
        return {"condition": self.condition.name, "arm": self.arm, "learning_rate": rate, "accuracy": accuracy}

    def _validate(self, rate: float, seed: int) -> dict[str, Any]:
        seed_everything(seed, verbose=False)
        return {"accuracy": self._train(self.net(seed), self.split.validation, rate, seed)}

    def _train(self, net: nn.Module, test: Draw, rate: float, seed: int) -> float:
        recipe = self.recipe
        outcome = train_and_test(
            net,
            FreshBatches(self.split.train, recipe.steps, recipe.batch_size, seed),
            FreshBatches(test, recipe.test_batches, recipe.batch_size, seed + _TEST_SEED),
            classes=self.condition.classes,
            epochs=recipe.epochs,
            learning_rate=rate,
            weight_decay=self.condition.weight_decay,
        )
        return outcome.accuracy


def measure(recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    """Tunes and trains all nets: rows by condition and parameterisation, and the verdict."""
    tuning, rows = [], []
    for cell in cells(recipe):
        trials = cell.tune(ledger)
        tuning += trials
        rows.append(cell.row(ledger, max(trials, key=lambda trial: trial["accuracy"])["learning_rate"]))
    return {"tuning": tuning, "rows": rows, **verdict.judge_rows(rows)}


def cells(recipe: Recipe) -> list[Cell]:
    """Every parameterisation on both tasks, and the free ones, whose fresh weights are noise, under strong decay."""
    plan = {ONE: ARMS, DECAYED: FREE, TWO: ARMS}
    return [
        Cell(recipe, condition, split, arm)
        for condition, arms in plan.items()
        for split in [condition.split()]
        for arm in arms
    ]
