"""What the report says besides the numbers of results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.studies.accuracy.claims import MARGIN
from experiments.studies.accuracy.variants import CIRCULAR, EQUAL, FAMILIES, IMAGE, PIXEL, PIXEL_LARGE, TAPS_3
from experiments.study.report import Data
from experiments.tasks.scenes import CANVAS, OBJECTS


def facts(data: Data) -> dict[str, Any]:
    """Values of the template."""
    rows, rates = data["rows"], data["settings"]["learning_rates"]
    counts = [row["parameters"]["learnable"] for row in rows if row["family"] in EQUAL]
    as_large_as_family = [row for row in rows if row["kernel_size"] == FAMILIES[row["family"]].kernel_size]
    return {
        "margin": MARGIN,
        "equal": EQUAL,
        "spread_of_counts": max(counts) / min(counts) - 1,
        "at_the_edge": [one["family"] for one in data["tuning"] if one["learning_rate"] in (min(rates), max(rates))],
        "resolved": [row for row in as_large_as_family if row["longer"] == 1],
        "canvases": [f"{size} px" for size in rows[0]["resolution"][OBJECTS]],
        "growing": {
            OBJECTS: "digits grow with the canvas",
            CANVAS: f"only the canvas grows, digits stay {data['settings']['scene']['digit']} px",
        },
        "gains": [row for row in rows if row["family"] in (PIXEL, IMAGE) and row["longer"] == 1],
        "by_size": {row["kernel_size"]: row["accuracy"] for row in rows if row["family"] == PIXEL_LARGE},
        "same_count": len({one["frequency"] for one in data["counts"]}) == 1,
        "changes": _changes(
            {
                (row["family"], row["longer"]): row["accuracy"]["mean"]
                for row in as_large_as_family
                if row["padding"] == CIRCULAR
            },
            data["settings"]["longer"],
        ),
    }


def _changes(accuracies: Mapping[tuple[str, int], float], longer: int) -> list[dict[str, Any]]:
    """The difference of each frequency filter from 3x3 taps, after equal training and after longer training."""
    return [
        {
            "family": family,
            "before": accuracies[family, 1] - accuracies[TAPS_3, 1],
            "after": accuracies[family, longer] - accuracies[TAPS_3, longer],
        }
        for family, times in accuracies
        if times == longer and family != TAPS_3
    ]
