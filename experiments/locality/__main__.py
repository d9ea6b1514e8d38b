"""Command line of the study: `python -m experiments.locality`."""

from pathlib import Path

from experiments.common.study import Study
from experiments.locality import figures, report, run

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
