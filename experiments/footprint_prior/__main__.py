"""Command line of the study: `python -m experiments.footprint_prior`."""

from pathlib import Path

from experiments.common.study import Study
from experiments.footprint_prior import figures, report, run

STUDY = Study(
    name="footprint_prior",
    folder=Path(__file__).resolve().parent,
    recipe=run.Recipe(),
    smoke=run.SMOKE,
    measure=run.measure,
    report=report.to_markdown,
    figures={"mass.png": figures.masses, "size.png": figures.sizes},
)

if __name__ == "__main__":
    STUDY.command()
