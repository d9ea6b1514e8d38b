"""Runs of every variant with every seed, and the choice of a learning rate."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from experiments.study.ledger import Ledger, Result

VariantT = TypeVar("VariantT")


@dataclass(frozen=True)
class Trial(Generic[VariantT]):
    """A variant trained with one learning rate."""

    variant: VariantT
    rate: float


@dataclass(frozen=True)
class Sweep(Generic[VariantT]):
    """The runs of a study.

    Attributes:
        variants: what is compared; hashable.
        seeds: each variant is run once with each of them.
        run: (variant, seed) -> the run's result, which depends on these two alone.
        key: name of a run in the ledger, a format string of `variant` and `seed`.
    """

    variants: Sequence[VariantT]
    seeds: Sequence[int]
    run: Callable[[VariantT, int], Result]
    key: str = "{variant}, seed {seed}"

    def runs(self, ledger: Ledger) -> dict[VariantT, list[Result]]:
        """The results of each variant, one for each seed; seeds are the outer loop."""
        found: dict[VariantT, list[Result]] = {variant: [] for variant in self.variants}
        for seed in self.seeds:
            for variant, results in found.items():
                key = self.key.format(variant=variant, seed=seed)
                results.append({"seed": seed, **ledger(key, partial(self.run, variant, seed))})
        return found

    def accuracies(self, ledger: Ledger) -> dict[VariantT, float]:
        """The mean accuracy of each variant."""
        return {
            variant: statistics.mean(one["accuracy"] for one in runs) for variant, runs in self.runs(ledger).items()
        }


def best(accuracies: Mapping[VariantT, float]) -> VariantT:
    """The variant with the highest accuracy; the first of equals."""
    return max(accuracies, key=accuracies.__getitem__)
