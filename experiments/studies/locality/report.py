"""What the report says besides the numbers of results.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.studies.locality.claims import NONE, PROFILES
from experiments.study.report import Data


def facts(data: Data) -> dict[str, Any]:
    """Values of the template."""
    means = {(row["kernel_size"], row["profile"]): row["accuracy"]["mean"] for row in data["rows"]}
    sizes = data["settings"]["kernel_sizes"]
    return {
        "unpenalised": NONE,
        "flat": {one["kernel_size"]: one["flat_share"] for one in data["kernels"]},
        "edge": at_the_edge(data),
        "gains": {profile: max(means[k, profile] - means[k, NONE] for k in sizes) for profile in PROFILES},
    }


def at_the_edge(data: Data) -> list[str]:
    """What was chosen as the smallest or the largest of those tried, in words."""
    tried = {key: data["settings"][f"{key}s"] for key in ("learning_rate", "strength")}
    rows = [row for row in data["rows"] if row["profile"] != NONE]
    rates = {row["kernel_size"]: row["learning_rate"] for row in rows}
    return [
        *(f"the learning rate of k={k}" for k, rate in rates.items() if _extreme(rate, tried["learning_rate"])),
        *(f"the strength of {row['name']}" for row in rows if _extreme(row["strength"], tried["strength"])),
    ]


def _extreme(value: float, tried: Sequence[float]) -> bool:
    return value in (min(tried), max(tried))
