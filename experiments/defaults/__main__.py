"""Command line of the study: `python -m experiments.defaults`."""

from pathlib import Path

from experiments.common.study import Study
from experiments.defaults import report, run

STUDY = Study(
    name="defaults",
    folder=Path(__file__).resolve().parent,
    recipe=run.Recipe(),
    smoke=run.SMOKE,
    measure=run.measure,
    report=report.to_markdown,
    figures={},
)

if __name__ == "__main__":
    STUDY.command()
