"""Runs of every arm with every seed, after the choice of a learning rate for each."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from experiments.study.ledger import Ledger, Result

_TIE = 0.01
"""Accuracies that are no farther apart are alike."""
_EXTENSIONS = 3
"""How often a grid is extended whose best value is at one of its ends."""


class Arm(Protocol):
    """What is compared: a frozen dataclass with a name."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str: ...


ArmT = TypeVar("ArmT", bound=Arm)


@dataclass(frozen=True)
class Experiment(Generic[ArmT]):
    """Arms that are run in the same way.

    Attributes:
        arms: what is compared; their names are those of the rows of results.json.
        seeds: of an arm; the same ones for arms that are compared.
        run: (arm, tuned value, seed) -> the result, which depends on these alone.
        validate: the same for the accuracy on data and seeds that only serve to choose.
        grid: values to choose from, in geometric progression, such as learning rates; one value for no choice.
        tuning_seeds: seeds of the choice.
        tuned_as: the arm whose tuned value another one takes.
        facts: of an arm whatever its seed, such as its parameters.
    """

    arms: Sequence[ArmT]
    seeds: Callable[[ArmT], Sequence[int]]
    run: Callable[[ArmT, float, int], Result]
    validate: Callable[[ArmT, float, int], float]
    grid: Callable[[ArmT], Sequence[float]]
    tuning_seeds: Sequence[int] = (1000, 1001)
    tuned_as: Callable[[ArmT], ArmT] = lambda arm: arm
    facts: Callable[[ArmT], Result] = lambda _: {}

    @property
    def planned(self) -> int:
        """Number of runs, without those of extended grids."""
        tuned = [len(self.grid(arm)) for arm in self._tuned if len(self.grid(arm)) > 1]
        return sum(len(self.seeds(arm)) for arm in self.arms) + sum(tuned) * len(self.tuning_seeds)

    def measure(self, ledger: Ledger) -> Result:
        """Rows and tuning, as results.json holds them."""
        tuning = {arm: self._tune(arm, ledger) for arm in self._tuned}
        best = {arm: chosen(found) for arm, found in tuning.items()}
        runs: dict[ArmT, list[Result]] = {arm: [] for arm in self.arms}
        # Seeds outermost: arms with one seed share its training images, which need not be drawn again.
        for seed in dict.fromkeys(seed for arm in self.arms for seed in self.seeds(arm)):
            for arm, results in runs.items():
                if seed in self.seeds(arm):
                    work = partial(self.run, arm, best[self.tuned_as(arm)], seed)
                    results.append({"seed": seed, **ledger(f"{arm.name}, seed {seed}", work)})
        return {
            "tuning": [
                {"name": arm.name, "chosen": best[arm], "at_end": best[arm] in (min(found), max(found)), "tried": found}
                for arm, found in tuning.items()
                if len(found) > 1
            ],
            "rows": [
                {
                    "name": arm.name,
                    **dataclasses.asdict(arm),
                    **self.facts(arm),
                    "tuned": best[self.tuned_as(arm)],
                    "runs": found,
                }
                for arm, found in runs.items()
            ],
        }

    @property
    def _tuned(self) -> list[ArmT]:
        return list(dict.fromkeys(self.tuned_as(arm) for arm in self.arms))

    def _tune(self, arm: ArmT, ledger: Ledger) -> dict[float, float]:
        """Mean accuracy by tried value, ascending."""

        def tried(value: float) -> float:
            def work(seed: int) -> Result:
                return {"accuracy": self.validate(arm, value, seed)}

            keys = {seed: f"tune {arm.name}, {value:g}, seed {seed}" for seed in self.tuning_seeds}
            return statistics.mean(ledger(key, partial(work, seed))["accuracy"] for seed, key in keys.items())

        return tune(self.grid(arm), tried)


def tune(grid: Sequence[float], accuracy: Callable[[float], float]) -> dict[float, float]:
    """Accuracy by value of a geometric grid, which is extended until the best value is not at an end.

    A grid of one value is not tried at all.
    """
    if len(grid) == 1:
        return {grid[0]: 0.0}
    ratio = grid[1] / grid[0]
    found = {value: accuracy(value) for value in grid}
    for _ in range(_EXTENSIONS):
        best = chosen(found)
        if best not in (min(found), max(found)):
            break
        beyond = best * ratio if best == max(found) else best / ratio
        found[beyond] = accuracy(beyond)
    return dict(sorted(found.items()))


def chosen(found: dict[float, float]) -> float:
    """The middle one of the values whose accuracies are within a point of the best; of two the smaller one.

    Few runs cannot tell these apart, and a learning rate beside one that fails is likely to fail with another seed.
    """
    best = max(found.values())
    alike = sorted(value for value, accuracy in found.items() if accuracy >= best - _TIE)
    return alike[(len(alike) - 1) // 2]
