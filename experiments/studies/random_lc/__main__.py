"""Command line of the study: `python -m experiments.studies.random_lc` writes results, report and figures here."""

from pathlib import Path

from experiments.studies.random_lc import figures, report, run
from experiments.study.study import Study

STUDY = Study(
    name="random_lc",
    folder=Path(__file__).resolve().parent,
    recipe=run.Recipe(),
    smoke=run.SMOKE,
    measure=run.measure,
    report=report.to_markdown,
    figures={"accuracy.png": figures.accuracy, "gap.png": figures.gap, "robustness.png": figures.robustness},
)

if __name__ == "__main__":
    STUDY.command()
