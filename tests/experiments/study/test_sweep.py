"""Sweeps: every variant with every seed, once, and named so that finished runs are found again."""

from typing import Any

from experiments.study.sweep import Sweep, Trial, best


class Recorder:
    """A ledger that knows some runs already."""

    def __init__(self, finished: dict[str, dict[str, Any]] | None = None) -> None:
        self.finished = finished or {}
        self.asked: list[str] = []

    def __call__(self, key: str, work: Any) -> dict[str, Any]:
        self.asked.append(key)
        return self.finished.get(key) or work()


def run(variant: Any, seed: int) -> dict[str, Any]:
    return {"accuracy": {"a": 0.5, "b": 0.75}[variant] + seed / 100}


def test_every_variant_is_run_with_every_seed_seeds_outermost() -> None:
    ledger = Recorder()
    found = Sweep(("a", "b"), (1, 2), run).runs(ledger)
    assert ledger.asked == ["a, seed 1", "b, seed 1", "a, seed 2", "b, seed 2"]
    assert found == {
        "a": [{"seed": 1, "accuracy": 0.51}, {"seed": 2, "accuracy": 0.52}],
        "b": [{"seed": 1, "accuracy": 0.76}, {"seed": 2, "accuracy": 0.77}],
    }


def test_finished_runs_are_taken_from_the_ledger() -> None:
    ledger = Recorder({"a, seed 2": {"accuracy": 0.125}})
    found = Sweep(("a",), (1, 2), run).runs(ledger)
    assert [one["accuracy"] for one in found["a"]] == [0.51, 0.125]


def test_names_of_runs_follow_the_key() -> None:
    ledger = Recorder()
    sweep = Sweep((Trial("a", 0.02),), (3,), lambda trial, seed: run(trial.variant, seed), "tune {variant.rate} {seed}")
    sweep.runs(ledger)
    assert ledger.asked == ["tune 0.02 3"]


def test_the_best_is_that_of_the_highest_mean_accuracy_the_first_of_equals() -> None:
    accuracies = Sweep(("a", "b"), (1, 3), run).accuracies(Recorder())
    assert accuracies == {"a": 0.52, "b": 0.77}
    assert best(accuracies) == "b"
    assert best({"a": 0.5, "b": 0.75, "c": 0.75}) == "b"
