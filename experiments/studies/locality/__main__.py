"""`python -m experiments.studies.locality`: does a penalty that grows with distance from the centre help?"""

from pathlib import Path

from experiments.studies.locality.claims import claims
from experiments.studies.locality.figure import figure
from experiments.studies.locality.run import SMOKE, Config, experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=17)

if __name__ == "__main__":
    STUDY.command()
