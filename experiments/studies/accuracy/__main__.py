"""`python -m experiments.studies.accuracy`: do large kernels cost accuracy at equal parameters?"""

from pathlib import Path

from experiments.studies.accuracy.claims import claims
from experiments.studies.accuracy.figure import figure
from experiments.studies.accuracy.run import SMOKE, Config, experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=36)

if __name__ == "__main__":
    STUDY.command()
