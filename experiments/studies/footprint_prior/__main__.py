"""`python -m experiments.studies.footprint_prior`: is locality learned, or the prior?"""

from pathlib import Path

from experiments.studies.footprint_prior import claims, config, figures, report, run
from experiments.study.study import Study

STUDY = Study(
    Path(__file__).parent,
    config.Config(),
    config.SMOKE,
    run.measure,
    claims.judged,
    report.facts,
    {"mass.png": figures.masses, "size.png": figures.sizes},
)

if __name__ == "__main__":
    STUDY.command()
