"""What the report says besides the numbers of results.json."""

from __future__ import annotations

from typing import Any

from experiments.studies.reach.claims import CHANCE, CLAIMS, IN_USE, SOLVED
from experiments.studies.reach.tasks import CONTROL, DISPLACED, PATHFINDER
from experiments.studies.reach.variants import FEATURES, GLOBAL, LOCAL_PRIOR, PIXELS
from experiments.study.judge import UNDECIDED, spread
from experiments.study.report import Data

_OF_ACCURACY = ("falls", "stays", "needs", "contours")


def facts(data: Data) -> dict[str, Any]:
    """Values of the template."""
    rows = data["rows"]
    return {
        "chance": CHANCE,
        "solved": SOLVED,
        "pathfinder": PATHFINDER,
        "features": FEATURES,
        "pixels": PIXELS,
        "local_prior": LOCAL_PRIOR,
        "parameters": {
            net: {row["family"]: row["parameters"] for row in rows if row["net"] == net and row["family"] != CONTROL}
            for net in (GLOBAL, LOCAL_PRIOR)
        },
        "global": GLOBAL,
        "accuracies": [
            _accuracies([row for row in rows if row["family"] in families])
            for families in ((CONTROL, DISPLACED), (PATHFINDER,))
        ],
        "kernels": [(row["name"], _kernels(row["runs"])) for row in rows if IN_USE in row["runs"][0]],
        "of_accuracy": [one for one in data["contrasts"] if one["claim"] in _OF_ACCURACY],
        "of_kernels": [one for one in data["contrasts"] if one["claim"] not in _OF_ACCURACY],
        "undecided": sum(one["verdict"] == UNDECIDED for one in data["claims"]),
        "claims": len(CLAIMS),
    }


def _accuracies(rows: list[Any]) -> dict[str, Any]:
    """A table by net and reach."""
    by_net: dict[str, dict[int, Any]] = {}
    for row in rows:
        by_net.setdefault(row["net"], {})[row["reach"]] = row
    return {"family": rows[-1]["family"], "reaches": sorted({row["reach"] for row in rows}), "by_net": by_net}


def _kernels(runs: list[Any]) -> dict[str, Any]:
    """Size and radius of trained and of re-initialised kernels, and the window in use."""
    measured = {
        f"{name}_{part}": spread([run[name][part] for run in runs])
        for name in ("size90", "rms_radius")
        for part in ("value", "mean")
    }
    return {**measured, IN_USE: spread([run[IN_USE] for run in runs])}
