"""Command line of the study: `python -m experiments.studies.defaults`."""

from pathlib import Path

from experiments.studies.defaults import report, run
from experiments.study.study import Study

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
