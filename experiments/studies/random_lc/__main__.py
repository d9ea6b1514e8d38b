"""`python -m experiments.studies.random_lc`: do frozen random filters learn as well as learned ones?"""

from pathlib import Path

from experiments.studies.random_lc import claims, config, figures, report, run
from experiments.study.study import Study

STUDY = Study(
    Path(__file__).parent,
    config.Config(),
    config.SMOKE,
    run.measure,
    claims.judged,
    report.facts,
    {"accuracy.png": figures.accuracy, "gap.png": figures.gap, "robustness.png": figures.robustness},
)

if __name__ == "__main__":
    STUDY.command()
