"""`python -m experiments.studies.reach`: where a task needs reach, do kernels grow?"""

from pathlib import Path

from experiments.studies.reach import claims, config, figures, report, run
from experiments.study.study import Study

STUDY = Study(
    Path(__file__).parent,
    config.Config(),
    config.SMOKE,
    run.measure,
    claims.judged,
    report.facts,
    {"tasks.png": figures.examples, "reach.png": figures.reach},
)

if __name__ == "__main__":
    STUDY.command()
