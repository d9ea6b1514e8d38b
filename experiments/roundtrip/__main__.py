"""Command line of the round trip: `python -m experiments.roundtrip`."""

from pathlib import Path

from experiments.common.study import Study
from experiments.roundtrip import report, run

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
