"""`python -m experiments.studies.layers`: which layers of a net need reach?"""

from pathlib import Path

from experiments.studies.layers.claims import claims
from experiments.studies.layers.figure import figure
from experiments.studies.layers.run import SMOKE, Config, experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=26)

if __name__ == "__main__":
    STUDY.command()
