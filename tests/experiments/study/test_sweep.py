"""Experiments: every arm with each of its seeds, once, with the value that validates best."""

import math
from dataclasses import dataclass
from typing import Any

import pytest

from experiments.study.sweep import Experiment, chosen, tune


@dataclass(frozen=True)
class Arm:
    name: str
    like: str = ""


class Recorder:
    """A ledger that knows some runs already."""

    def __init__(self, finished: dict[str, dict[str, Any]] | None = None) -> None:
        self.finished = finished or {}
        self.asked: list[str] = []

    def __call__(self, key: str, work: Any) -> dict[str, Any]:
        self.asked.append(key)
        return self.finished.get(key) or work()


BEST = {"a": 0.1, "b": 0.01}


def made(**changes: Any) -> Experiment[Arm]:
    given: dict[str, Any] = {
        "arms": [Arm("a"), Arm("b"), Arm("c", like="a")],
        "seeds": lambda arm: (1,) if arm.name == "c" else (1, 2),
        "run": lambda arm, value, seed: {"value": value, "from": f"{arm.name}{seed}"},
        "validate": lambda arm, value, seed: -abs(math.log10(value / BEST[arm.name])) + seed / 100,
        "grid": lambda _: (0.001, 0.01, 0.1, 1.0),
        "tuned_as": lambda arm: Arm(arm.like) if arm.like else arm,
        "facts": lambda arm: {"parameters": len(arm.name)},
    }
    return Experiment(**{**given, **changes})


def test_every_arm_is_run_with_its_seeds_seeds_outermost() -> None:
    ledger = Recorder()
    rows = made(grid=lambda _: (0.5,)).measure(ledger)["rows"]
    assert ledger.asked == ["a, seed 1", "b, seed 1", "c, seed 1", "a, seed 2", "b, seed 2"]
    assert [[run["from"] for run in row["runs"]] for row in rows] == [["a1", "a2"], ["b1", "b2"], ["c1"]]
    assert rows[2] == {
        "name": "c",
        "like": "a",
        "parameters": 1,
        "tuned": 0.5,
        "runs": [{"seed": 1, "value": 0.5, "from": "c1"}],
    }


def test_each_arm_takes_the_value_that_validates_best_or_that_of_its_model() -> None:
    found = made().measure(Recorder())
    assert {row["name"]: row["tuned"] for row in found["rows"]} == {"a": 0.1, "b": 0.01, "c": 0.1}
    assert [(one["name"], one["chosen"], one["at_end"]) for one in found["tuning"]] == [
        ("a", 0.1, False),
        ("b", 0.01, False),
    ]


def test_finished_runs_are_taken_from_the_ledger() -> None:
    ledger = Recorder({"a, seed 2": {"value": 9.0, "from": "before"}})
    rows = made().measure(ledger)["rows"]
    assert rows[0]["runs"][1] == {"seed": 2, "value": 9.0, "from": "before"}


def test_the_number_of_runs_is_known_before() -> None:
    ledger = Recorder()
    experiment = made(tuning_seeds=(100, 101))
    experiment.measure(ledger)
    assert experiment.planned == len(ledger.asked) == 5 + 2 * 4 * 2


def test_a_grid_is_extended_until_the_best_is_inside() -> None:
    assert list(tune((1.0, 2.0, 4.0), lambda value: -abs(value - 16))) == [1, 2, 4, 8, 16, 32]
    assert list(tune((1.0, 2.0, 4.0), lambda value: -abs(value - 0.5))) == [0.25, 0.5, 1, 2, 4]
    assert list(tune((1.0, 2.0, 4.0), lambda value: -abs(value - 2))) == [1, 2, 4]
    # Three times at most.
    assert list(tune((1.0, 2.0), lambda value: value)) == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("found", "middle"),
    [
        ({1: 0.5, 2: 0.9, 4: 0.7}, 2),
        ({1: 0.5, 2: 0.893, 4: 0.9, 8: 0.1}, 2),  # not the one beside a cliff
        ({1: 1.0, 2: 1.0, 4: 1.0, 8: 0.995, 16: 1.0}, 4),
        ({1: 0.88, 2: 0.9}, 2),
    ],
)
def test_of_values_that_are_alike_the_middle_one_is_chosen(found: dict[float, float], middle: float) -> None:
    assert chosen(found) == middle


def test_one_value_is_no_choice() -> None:
    def fails(value: float) -> float:
        raise AssertionError(value)

    assert list(tune((0.3,), fails)) == [0.3]


def test_the_accuracy_that_counts_is_the_mean_over_tuning_seeds() -> None:
    found = made(tuning_seeds=(100, 200), arms=[Arm("a")]).measure(Recorder())
    assert found["tuning"][0]["tried"][0.1] == pytest.approx(1.5)
