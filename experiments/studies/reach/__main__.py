"""Command line of the study: `python -m experiments.studies.reach` writes its results and report beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.studies.reach import figures, report, run, verdict
from experiments.study.ledger import Ledger
from experiments.study.study import Study


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
