"""`python -m experiments.studies.defaults`: which implicit filter learns displaced digits?"""

from pathlib import Path

from experiments.studies.defaults import run
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, run.Config(), run.SMOKE, run.measure)

if __name__ == "__main__":
    STUDY.command()
