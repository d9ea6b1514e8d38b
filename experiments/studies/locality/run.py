"""Are learned filters heavier at the centre, and does a penalty that grows with distance beat a uniform one?

Small nets on few handwritten digits, with kernels of several sizes and penalties of several profiles, each at the
strength that serves it best on validation images.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lightning.pytorch import seed_everything

from experiments.nets.separable import parameters
from experiments.studies.locality.nets import Locality, build, by_distance, centre_shares, centre_side, squared_kernels
from experiments.studies.locality.verdict import CLAIMS, NONE, PROFILES, accuracy_row, centre_row, contrasts
from experiments.study.ledger import Ledger
from experiments.study.statistics import judge, spread
from experiments.study.training import train_and_test
from experiments.tasks.batches import Batches
from experiments.tasks.handwritten import CLASSES, SIDE, Digits, digit_pools, subset

_TEST_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """What all runs share.

    Attributes:
        seeds: of the training images, their order and the initial weights.
        kernel_sizes: of all layers of a net, odd.
        width: channels of all layers.
        train_images: drawn from the training pool for each seed.
        test_images: at most so many for validation and for test, the first ones; None for all.
        learning_rates: one-cycle peaks to choose from, for each kernel size, without penalty.
        strengths: of a penalty, to choose from for each kernel size and profile, at that learning rate.
        tuning_seeds: of the runs that are validated.
    """

    seeds: tuple[int, ...] = tuple(range(12))
    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    width: int = 16
    train_images: int = 100
    test_images: int | None = None
    batch_size: int = 25
    epochs: int = 25
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    strengths: tuple[float, ...] = (0.0003, 0.0017, 0.01, 0.056, 0.3)
    tuning_seeds: tuple[int, ...] = (100, 101, 102)


SMOKE = Recipe(
    seeds=(0, 1),
    kernel_sizes=(3, 7),
    width=2,
    train_images=16,
    test_images=40,
    batch_size=8,
    epochs=1,
    learning_rates=(0.01,),
    strengths=(0.01, 0.1),
    tuning_seeds=(100,),
)
"""The same code path in seconds; the accuracies mean nothing."""


@dataclass(frozen=True)
class Variant:
    """One row of the comparison.

    Attributes:
        kernel_size: of all layers.
        profile: of the penalty, or "none".
        learning_rate, strength: chosen, or to be tried.
    """

    kernel_size: int
    profile: str
    learning_rate: float
    strength: float

    @property
    def penalty(self) -> Locality | None:
        return None if self.profile == NONE else Locality(self.profile, self.strength, self.kernel_size)


def measure(recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    """What results.json holds besides settings."""
    pools = digit_pools()
    rates = [trial for k in recipe.kernel_sizes for trial in _tune_rate(recipe, ledger, k)]
    trials, rows = [], []
    for k in recipe.kernel_sizes:
        rate = best([trial for trial in rates if trial["kernel_size"] == k])["learning_rate"]
        rows.append(_row(recipe, ledger, Variant(k, NONE, rate, 0.0)))
        for profile in PROFILES:
            tried = [_try(recipe, ledger, Variant(k, profile, rate, strength)) for strength in recipe.strengths]
            trials += tried
            rows.append(_row(recipe, ledger, Variant(k, profile, rate, best(tried)["strength"])))
    return {
        "data": {
            "side": SIDE,
            "classes": CLASSES,
            "train_pool": len(pools.train),
            "validation_images": len(pools.validation.first(recipe.test_images)),
            "test_images": len(pools.test.first(recipe.test_images)),
        },
        "tuning": {"learning_rates": rates, "strengths": trials},
        "kernels": [_kernel(recipe, k) for k in recipe.kernel_sizes],
        "rows": rows,
        **judge(CLAIMS, contrasts(recipe.kernel_sizes), _values(rows)),
    }


def best(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The trial of the highest validation accuracy; of equals the first."""
    return max(trials, key=lambda trial: trial["accuracy"])


def train(variant: Variant, recipe: Recipe, seed: int, test: Digits) -> dict[str, Any]:
    """Trains and tests one net, and measures its kernels before and after."""
    seed_everything(seed, verbose=False)
    chosen = subset(digit_pools().train, recipe.train_images, seed)
    net = build(variant.kernel_size, recipe.width)
    initial = squared_kernels(net)
    outcome = train_and_test(
        net,
        Batches(chosen.images, chosen.labels, recipe.batch_size, seed),
        Batches(test.images, test.labels, _TEST_BATCH),
        classes=CLASSES,
        epochs=recipe.epochs,
        learning_rate=variant.learning_rate,
        weight_decay=0.0,
        penalty=variant.penalty,
    )
    trained = squared_kernels(net)
    return {
        "accuracy": outcome.accuracy,
        "centre": {"initial": centre_shares(initial), "trained": centre_shares(trained)},
        "by_distance": {"initial": by_distance(initial), "trained": by_distance(trained)},
    }


def _tune_rate(recipe: Recipe, ledger: Ledger, kernel_size: int) -> list[dict[str, Any]]:
    return [_try(recipe, ledger, Variant(kernel_size, NONE, rate, 0.0)) for rate in recipe.learning_rates]


def _try(recipe: Recipe, ledger: Ledger, variant: Variant) -> dict[str, Any]:
    runs = _runs(recipe, ledger, variant, recipe.tuning_seeds, digit_pools().validation.first(recipe.test_images))
    return {**vars(variant), "accuracy": statistics.mean(run["accuracy"] for run in runs)}


def _row(recipe: Recipe, ledger: Ledger, variant: Variant) -> dict[str, Any]:
    runs = _runs(recipe, ledger, variant, recipe.seeds, digit_pools().test.first(recipe.test_images))
    states = ("initial", "trained")
    return {
        "name": accuracy_row(variant.kernel_size, variant.profile),
        **vars(variant),
        "accuracy": spread([run["accuracy"] for run in runs]),
        "accuracies": [run["accuracy"] for run in runs],
        "centre": {state: [statistics.mean(run["centre"][state]) for run in runs] for state in states},
        "centre_by_layer": {
            state: [spread(layer) for layer in zip(*(run["centre"][state] for run in runs), strict=True)]
            for state in states
        },
        "by_distance": {
            state: [statistics.mean(ring) for ring in zip(*(run["by_distance"][state] for run in runs), strict=True)]
            for state in states
        },
        "seconds": statistics.mean(run["seconds"] for run in runs),
    }


def _runs(
    recipe: Recipe, ledger: Ledger, variant: Variant, seeds: tuple[int, ...], test: Digits
) -> list[dict[str, Any]]:
    return [ledger(f"{variant}, seed {seed}", partial(train, variant, recipe, seed, test)) for seed in seeds]


def _kernel(recipe: Recipe, kernel_size: int) -> dict[str, Any]:
    side = centre_side(kernel_size)
    return {
        "kernel_size": kernel_size,
        "parameters": parameters(build(kernel_size, recipe.width)),
        "centre_side": side,
        "flat_share": side**2 / kernel_size**2,
    }


def _values(rows: list[dict[str, Any]]) -> Mapping[str, list[float]]:
    """What the contrasts are made of, by seed."""
    accuracies = {row["name"]: row["accuracies"] for row in rows}
    shares = {
        centre_row(row["kernel_size"], row["profile"], state): by_seed
        for row in rows
        for state, by_seed in row["centre"].items()
    }
    return accuracies | shares
