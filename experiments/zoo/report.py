"""REPORT.md from results.json and REPORT.md.j2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.study.report import render

Row = Mapping[str, Any]


def to_markdown(data: Row) -> str:
    """The whole report."""
    return render(Path(__file__).with_name("REPORT.md.j2"), data, reasons=_reasons(data["rows"]))


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """What the report says in its first paragraph."""
    done = [row for row in rows if "failed" not in row]
    matched = [row["matched"] for row in done if row["matched"]["replaced"]]
    errors = [m["match_error"] for m in matched if m["match_error"] is not None]
    bake_errors = [
        part["bake_error"] for row in done for part in (row["split"], row["matched"]) if "bake_error" in part
    ]
    return {
        "models": len(rows),
        "done": len(done),
        "converted": len(matched),
        "worst_match_error": max(errors, default=None),
        "worst_bake_error": max((e for e in bake_errors if e is not None), default=None),
        "split_without_finite_gradients": [
            row["name"] for row in done if not row["split"].get("gradients_finite", True)
        ],
    }


def _reasons(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Reasons with the models in which they occur, without 1x1 convolutions and those that only the default skips."""
    models: dict[str, list[str]] = {}
    for row in rows:
        for reason, count in row.get("matched", {}).get("kept", {}).items():
            if reason != "1x1":
                models.setdefault(reason, []).append(f"{row['name']} ({count})")
        for reason, count in row.get("split", {}).get("bake_kept", {}).items():
            models.setdefault(f"not baked: {reason}", []).append(f"{row['name']} ({count})")
    return models
