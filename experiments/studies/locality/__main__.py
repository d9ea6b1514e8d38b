"""Command line of the study: `python -m experiments.studies.locality`."""

from pathlib import Path

from experiments.studies.locality import figures, report, run
from experiments.study.study import Study

STUDY = Study(
    name="locality",
    folder=Path(__file__).resolve().parent,
    recipe=run.Recipe(),
    smoke=run.SMOKE,
    measure=run.measure,
    report=report.to_markdown,
    figures={"kernels.png": figures.kernels, "accuracy.png": figures.accuracy, "tuning.png": figures.tuning},
)

if __name__ == "__main__":
    STUDY.command()
