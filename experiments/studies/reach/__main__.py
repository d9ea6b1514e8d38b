"""`python -m experiments.studies.reach`: which filters learn to reach, and do kernels grow with it?"""

from pathlib import Path

from experiments.studies.reach.claims import claims
from experiments.studies.reach.config import SMOKE, Config
from experiments.studies.reach.figure import figure
from experiments.studies.reach.run import experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=39)

if __name__ == "__main__":
    STUDY.command()
