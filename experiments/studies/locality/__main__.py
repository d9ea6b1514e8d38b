"""`python -m experiments.studies.locality`: does a penalty that grows with distance from the centre help?"""

from pathlib import Path

from experiments.studies.locality import claims, config, figures, report, run
from experiments.study.study import Study

STUDY = Study(
    Path(__file__).parent,
    config.Config(),
    config.SMOKE,
    run.measure,
    claims.judged,
    report.facts,
    {"kernels.png": figures.kernels, "accuracy.png": figures.accuracy, "tuning.png": figures.tuning},
)

if __name__ == "__main__":
    STUDY.command()
