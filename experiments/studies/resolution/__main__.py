"""`python -m experiments.studies.resolution`: which coordinates keep their accuracy on larger images?"""

from pathlib import Path

from experiments.studies.resolution.claims import claims
from experiments.studies.resolution.figure import figure
from experiments.studies.resolution.run import SMOKE, Config, experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=11)

if __name__ == "__main__":
    STUDY.command()
