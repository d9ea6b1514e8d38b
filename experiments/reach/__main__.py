"""Command line of the study: `python -m experiments.reach` writes its results and report beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.common.ledger import Ledger
from experiments.common.study import Study
from experiments.reach import figures, report, run, verdict


def measure(recipe: run.Recipe, ledger: Ledger) -> dict[str, Any]:
    """Rows, contrasts and verdicts."""
    rows = run.measure(recipe, ledger)
    return {"rows": rows, **verdict.judged(rows, recipe)}


STUDY = Study(
    name="reach",
    folder=Path(__file__).resolve().parent,
    recipe=run.Recipe(),
    smoke=run.SMOKE,
    measure=measure,
    report=report.to_markdown,
    figures={"tasks.png": figures.examples, "reach.png": figures.reach},
)

if __name__ == "__main__":
    STUDY.command()
