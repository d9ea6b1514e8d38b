"""Do frozen random filters learn as well as learned ones, if a 1x1 convolution combines them?

Small ResNet-LC nets on few handwritten digits: the same net with frozen and with learned spatial filters, of several
kinds, at several expansions, and the plain net without LC blocks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lightning.pytorch import seed_everything
from torch import nn

from experiments.common.data.batches import Batches
from experiments.common.data.handwritten import CLASSES, SIDE, Digits, digit_pools, subset
from experiments.common.nets import parameters
from experiments.common.resnet_lc import resnet_lc
from experiments.common.results import environment
from experiments.common.training import Outcome, train_and_test
from nifconv import ImplicitFilter, SpatialFilter, count_parameters, frozen
from nifconv.filters.factory import FilterFactory

FREQUENCY = "frequency"
PLAIN, WIDE = "plain 3x3", "plain 3x3, wider"
_WIDEST = 256
_TEST_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """What all runs share.

    Attributes:
        seeds: of the training images, their order, the initial weights and the frozen filters.
        depth, width: of the nets, see `resnet_lc`.
        expansions: E of the LC nets, ascending.
        tap_sizes: sides of the kernels given by taps.
        train_images: drawn from the training pool for each seed.
        test_images: at most so many, the first ones; None for all.
        learning_rates: one-cycle peaks to choose from, with `tuning_seeds` and `tuning_expansion`.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3)
    depth: int = 8
    width: int = 8
    expansions: tuple[int, ...] = (1, 8, 64)
    tap_sizes: tuple[int, ...] = (3, 7)
    train_images: int = 300
    test_images: int | None = None
    batch_size: int = 75
    epochs: int = 16
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    tuning_seeds: tuple[int, ...] = (100, 101)
    tuning_expansion: int = 8


SMOKE = Recipe(
    seeds=(0, 1),
    width=2,
    expansions=(1, 2),
    train_images=16,
    test_images=40,
    batch_size=8,
    epochs=1,
    learning_rates=(0.01, 0.02),
    tuning_seeds=(100,),
    tuning_expansion=1,
)
"""The same code path in seconds; the accuracies mean nothing."""


@dataclass(frozen=True)
class Variant:
    """One row of the comparison.

    Attributes:
        family: "frequency", "3x3 taps", ... or the name of a plain net.
        learned: whether the spatial filters are.
        expansion: None for a plain net.
        kernel_size: None for kernels as large as the map.
        width: see `Recipe`.
    """

    family: str
    learned: bool
    expansion: int | None
    kernel_size: int | None
    width: int

    @property
    def name(self) -> str:
        if self.expansion is None:
            return self.family
        return row_name(self.family, learned=self.learned, expansion=self.expansion)

    def build(self, depth: int, seed: int) -> nn.Module:
        """The net, with random weights; frozen filters depend on `seed` alone."""
        factory: FilterFactory = ImplicitFilter if self.family == FREQUENCY else SpatialFilter
        return resnet_lc(
            depth,
            self.width,
            expansion=self.expansion,
            kernel_size=self.kernel_size,
            filter=factory if self.learned else frozen(factory, seed=seed),
            classes=CLASSES,
            in_channels=1,
        )


def row_name(family: str, *, learned: bool, expansion: int) -> str:
    """Name of an LC row."""
    return f"{'learned' if learned else 'frozen'} {family}, E={expansion}"


def taps_family(kernel_size: int) -> str:
    """Name of the filters with that many taps on a side."""
    return f"{kernel_size}x{kernel_size} taps"


def variants(recipe: Recipe) -> list[Variant]:
    """All rows: two plain nets, then frozen and learned LC nets of each family at each expansion."""
    plain = Variant(PLAIN, True, None, 3, recipe.width)
    families = {FREQUENCY: None, **{taps_family(size): size for size in recipe.tap_sizes}}
    blocks = [
        Variant(family, learned, expansion, size, recipe.width)
        for family, size in families.items()
        for learned in (False, True)
        for expansion in recipe.expansions
    ]
    frozen_most = parameters(
        Variant(FREQUENCY, False, recipe.expansions[-1], None, recipe.width).build(recipe.depth, 0)
    )
    return [plain, replace(plain, family=WIDE, width=_matching_width(recipe.depth, frozen_most)), *blocks]


def tune(recipe: Recipe) -> list[dict[str, Any]]:
    """Validation accuracy of the learned frequency net at each learning rate."""
    variant = Variant(FREQUENCY, True, recipe.tuning_expansion, None, recipe.width)
    validation = digit_pools().validation
    trials = []
    for rate in recipe.learning_rates:
        outcomes = [_train(variant, recipe, seed, rate, validation) for seed in recipe.tuning_seeds]
        trials.append({"learning_rate": rate, "accuracy": statistics.mean(one.accuracy for one in outcomes)})
    return trials


def run_all(recipe: Recipe, learning_rate: float) -> Iterator[dict[str, Any]]:
    """One row for each variant, as soon as it is there."""
    test = _test_images(recipe)
    for variant in variants(recipe):
        runs = []
        for seed in recipe.seeds:
            outcome = _train(variant, recipe, seed, learning_rate, test)
            runs.append({"seed": seed, "accuracy": outcome.accuracy, "seconds": outcome.seconds})
        yield {
            "name": variant.name,
            **vars(variant),
            "parameters": count_parameters(variant.build(recipe.depth, recipe.seeds[0])).to_dict(),
            **spread([run["accuracy"] for run in runs]),
            "seconds": statistics.mean(run["seconds"] for run in runs),
            "runs": runs,
        }


def spread(values: list[float]) -> dict[str, float]:
    """Mean, standard deviation (of a sample) and standard error of the mean."""
    deviation = statistics.stdev(values)
    return {"mean": statistics.mean(values), "deviation": deviation, "error": deviation / math.sqrt(len(values))}


def settings(recipe: Recipe, learning_rate: float) -> dict[str, Any]:
    """What the rows depend on."""
    pools = digit_pools()
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(recipe).items()}
    sizes = {"train_pool": len(pools.train), "validation_images": len(pools.validation)}
    sizes["test_images"] = len(_test_images(recipe))
    return {**fields, "learning_rate": learning_rate, "side": SIDE, "classes": CLASSES, **sizes, **environment()}


def _test_images(recipe: Recipe) -> Digits:
    test = digit_pools().test
    return Digits(test.images[: recipe.test_images], test.labels[: recipe.test_images])


def _train(variant: Variant, recipe: Recipe, seed: int, learning_rate: float, test: Digits) -> Outcome:
    seed_everything(seed, verbose=False)
    chosen = subset(digit_pools().train, recipe.train_images, seed)
    return train_and_test(
        variant.build(recipe.depth, seed),
        Batches(chosen.images, chosen.labels, recipe.batch_size, seed),
        Batches(test.images, test.labels, _TEST_BATCH),
        classes=CLASSES,
        epochs=recipe.epochs,
        learning_rate=learning_rate,
    )


def _matching_width(depth: int, target: int) -> int:
    """The width that brings the plain net closest to `target` learnable parameters."""
    low, high = 1, _WIDEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _plain_parameters(depth, middle) <= target else (low, middle)
    return min(low, high, key=lambda width: abs(_plain_parameters(depth, width) - target))


def _plain_parameters(depth: int, width: int) -> int:
    return parameters(Variant(PLAIN, True, None, 3, width).build(depth, 0))
