"""Command line of the round trip: `python -m experiments.studies.roundtrip`."""

from pathlib import Path

from experiments.studies.roundtrip import report, run
from experiments.study.study import Study

STUDY = Study(
    name="roundtrip",
    folder=Path(__file__).resolve().parent,
    recipe=run.Recipe(),
    smoke=run.SMOKE,
    measure=run.measure,
    report=report.to_markdown,
    figures={},
)

if __name__ == "__main__":
    STUDY.command()
