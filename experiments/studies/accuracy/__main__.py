"""Command line of the study: `python -m experiments.studies.accuracy` writes results, report and figures here."""

from pathlib import Path

from experiments.studies.accuracy import figures, report, run
from experiments.study.study import Study

STUDY = Study(
    name="accuracy",
    folder=Path(__file__).resolve().parent,
    recipe=run.Recipe(),
    smoke=run.SMOKE,
    measure=run.measure,
    report=report.to_markdown,
    figures={"accuracy.png": figures.by_net, "resolution.png": figures.by_resolution},
)

if __name__ == "__main__":
    STUDY.command()
