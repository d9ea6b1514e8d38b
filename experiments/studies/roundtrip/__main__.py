"""`python -m experiments.studies.roundtrip`: a plain net to frequency filters and back."""

from pathlib import Path

from experiments.studies.roundtrip import run
from experiments.study.study import Study

STUDY = Study(Path(__file__).parent, run.Config(), run.SMOKE, run.measure)

if __name__ == "__main__":
    STUDY.command()
