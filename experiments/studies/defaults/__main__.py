"""`python -m experiments.studies.defaults`: which implicit filter to start with?"""

from pathlib import Path

from experiments.studies.defaults import report, run
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, run.Config(), run.SMOKE, run.measure, facts=report.facts)

if __name__ == "__main__":
    STUDY.command()
