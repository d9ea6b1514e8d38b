"""Command line of the study: `python -m experiments.studies.footprint_prior`."""

from pathlib import Path

from experiments.studies.footprint_prior import figures, report, run
from experiments.study.study import Study

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
