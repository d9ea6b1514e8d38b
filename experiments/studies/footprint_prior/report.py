"""What the report says besides the numbers of results.json."""

from __future__ import annotations

import statistics
from typing import Any

from experiments.studies.footprint_prior import measures
from experiments.studies.footprint_prior.measures import AFTER, BEFORE, HALF, NULL, TESTED, by_seed, half_window
from experiments.studies.footprint_prior.tasks import CANVAS, DECAYED, DISTANCES, ONE, TWO
from experiments.studies.footprint_prior.variants import MAPS, PARAMETERISATIONS
from experiments.study.figures import Row
from experiments.study.judge import spread
from experiments.study.report import Data


def facts(data: Data) -> dict[str, Any]:
    """Values of the template."""
    rates = data["settings"]["learning_rates"]
    one = sorted(
        (row for row in data["rows"] if row["condition"] == ONE.name),
        key=lambda row: PARAMETERISATIONS.index(row["arm"]),
    )
    return {
        "m": measures,
        "net": net,
        "difference": difference,
        "maps": MAPS,
        "canvas": CANVAS,
        "distances": DISTANCES,
        "conditions": (ONE, DECAYED, TWO),
        "halves": [half_window(side) for side in MAPS],
        "flat": statistics.mean(half_window(side) ** 2 / side**2 for side in MAPS),
        "layers": [
            (row, layer) for name in PARAMETERISATIONS for row in one if row["arm"] == name for layer in row["layers"]
        ],
        "untrained_z": statistics.mean(
            abs(layer["effects"][BEFORE][measure]["z"])
            for row in one
            for run in row["runs"]
            for layer in run["layers"]
            for measure in TESTED
        ),
        "edge": sum(row["learning_rate"] in (min(rates), max(rates)) for row in data["rows"]),
        "accuracies": [row["accuracy"]["mean"] for row in data["rows"]],
        **_extremes(one),
    }


def _extremes(rows: list[Row]) -> dict[str, Any]:
    """The least and most local variants before training, and what training changes most."""
    fresh = {row["arm"]: net(row, NULL, HALF)["mean"] for row in rows}
    moved = {row["arm"]: abs(difference(row, AFTER, BEFORE, HALF)["mean"]) for row in rows}
    changes = {
        (row["arm"], layer["map"]): layer[AFTER][HALF] - layer[BEFORE][HALF] for row in rows for layer in row["layers"]
    }
    return {
        "lowest": min(fresh.items(), key=lambda item: item[1]),
        "highest": max(fresh.items(), key=lambda item: item[1]),
        "most_moved": max(moved.items(), key=lambda item: item[1]),
        "largest_change": max(changes.items(), key=lambda item: abs(item[1])),
    }


def net(row: Row, state: str, measure: str) -> dict[str, float]:
    """A measure's mean and error over seeds."""
    return spread(by_seed(row, state, measure))


def difference(row: Row, left: str, right: str, measure: str) -> dict[str, float]:
    """Mean and error over seeds of the difference between two states of the same nets."""
    pairs = zip(by_seed(row, left, measure), by_seed(row, right, measure), strict=True)
    return spread([one - other for one, other in pairs])
