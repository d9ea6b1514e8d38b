"""What the report says besides results.json: means over seeds, formatted for its tables."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.studies.defaults.run import KERNELS, LIMITED, SOLVED
from experiments.studies.defaults.variants import DEFAULT, MULTI_SCALE, TAPS_3
from experiments.study.judge import spread
from experiments.study.report import Data, percent, with_error

Runs = Sequence[Mapping[str, Any]]


def facts(data: Data) -> dict[str, Any]:
    """Names and tables of the template."""
    config = data["settings"]
    gains = {name: found["gain"] for name, found in data["untrained"].items()}
    sizes = list(next(iter(gains.values())))
    by_variant = {one["variant"]: one for one in data["digits"]}
    return {
        "default": DEFAULT.removesuffix(" (default)"),
        "multi_scale": MULTI_SCALE,
        "contrast": contrast(by_variant[DEFAULT]["runs"], by_variant[TAPS_3]["runs"]),
        "kernels": KERNELS,
        "gain_sizes": f"{', '.join(sizes)} px",
        "gains": {name: _relative(list(found.values())) for name, found in gains.items()},
        "rate": config["learning_rates"][len(config["learning_rates"]) // 2],
        "directions": list(dict.fromkeys(one["direction"] for one in data["displaced"])),
        "displaced": _displaced(data["displaced"]),
        "solved": f"{100 * SOLVED:.0f}",
        "canvases": [f"on {size} px" for size in config["canvases"]],
        "digits": [line for one in data["digits"] for line in _digits(one, config["canvases"])],
        "limited": LIMITED,
    }


def contrast(runs: Runs, others: Runs) -> dict[str, float]:
    """Mean and standard error of the difference in accuracy between runs of the same seeds."""
    pairs = zip(runs, others, strict=True)
    return spread([one["accuracy"] - other["accuracy"] for one, other in pairs])


def _relative(gains: Sequence[float]) -> str:
    return ", ".join(f"{gain / gains[0]:.2f}" for gain in gains)


def _displaced(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each filter its cells, one for each direction where there is one."""
    cells: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(row["variant"] for row in rows):
        by_direction = [row["runs"] for row in rows if row["variant"] == name]
        everything = [run for runs in by_direction for run in runs]
        cells[name] = {
            "parameters": everything[0]["parameters"],
            "accuracy": [_accuracy(runs) for runs in by_direction],
            "steps": [_steps(runs) for runs in by_direction],
            **_baked(everything),
        }
    return cells


def _steps(runs: Runs) -> str:
    median = statistics.median(run["steps_to_90"] or float("inf") for run in runs)
    return "-" if median == float("inf") else f"{median:.0f}"


def _digits(row: Mapping[str, Any], canvases: Sequence[int]) -> list[list[str]]:
    """The lines of a variant: one, and a second where the band was limited after training."""
    runs = row["runs"]

    def on(key: str) -> list[str]:
        by_size = [[{"accuracy": run[key][str(size)]} for run in runs] for size in canvases]
        return [_accuracy(found) for found in by_size]

    baked = _baked(runs) if "baked_size" in runs[0] else {"baked_size": "", "baked_error": ""}
    first = [row["variant"], f"{runs[0]['parameters']:,}", f"{row['learning_rate']:g}", _accuracy(runs)]
    lines = [[*first, *on("canvas"), *baked.values()]]
    if "canvas_band_limit" in runs[0]:
        lines.append([LIMITED, *[""] * 3, *on("canvas_band_limit"), "", ""])
    return lines


def _accuracy(runs: Runs) -> str:
    return with_error(spread([run["accuracy"] for run in runs]), 100)


def _baked(runs: Runs) -> dict[str, str]:
    return {
        "baked_size": f"{statistics.mean(run['baked_size'] for run in runs):.0f}",
        "baked_error": percent(statistics.mean(run["baked_error"] for run in runs)),
    }
