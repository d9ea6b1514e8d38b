"""`python -m experiments.studies.defaults`: which implicit filter to start with?"""

from pathlib import Path

from experiments.studies.defaults import figures, report, run
from experiments.study.study import Study

STUDY = Study(
    Path(__file__).parent,
    run.Config(),
    run.SMOKE,
    run.measure,
    facts=report.facts,
    figures={"accuracy.png": figures.accuracy},
)

if __name__ == "__main__":
    STUDY.command()
