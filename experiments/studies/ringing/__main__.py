"""`python -m experiments.studies.ringing`: how much of published locality is a jump at the Nyquist frequency?"""

from pathlib import Path

from experiments.studies.ringing.claims import claims
from experiments.studies.ringing.figure import figure
from experiments.studies.ringing.run import SMOKE, Config, experiments
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, Config(), SMOKE, experiments, claims, figure, minutes=21)

if __name__ == "__main__":
    STUDY.command()
