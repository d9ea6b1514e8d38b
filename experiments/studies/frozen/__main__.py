"""`python -m experiments.studies.frozen`: do frozen random filters learn as well as learned ones?"""

from pathlib import Path

from experiments.studies.frozen.claims import claims
from experiments.studies.frozen.config import SMOKE, Config
from experiments.studies.frozen.figure import figure
from experiments.studies.frozen.run import experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=47)

if __name__ == "__main__":
    STUDY.command()
