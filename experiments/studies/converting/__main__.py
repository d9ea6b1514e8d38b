"""`python -m experiments.studies.converting`: convert a trained net, keep what it knows, gain reach."""

from pathlib import Path

from experiments.studies.converting.claims import claims
from experiments.studies.converting.figure import figure
from experiments.studies.converting.run import SMOKE, Config, experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=23)

if __name__ == "__main__":
    STUDY.command()
