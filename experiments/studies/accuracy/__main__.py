"""`python -m experiments.studies.accuracy`: are frequency convolutions as accurate as 3x3 convolutions?"""

from pathlib import Path

from experiments.studies.accuracy import claims, config, figures, report, run
from experiments.study.study import Study

STUDY = Study(
    Path(__file__).parent,
    config.Config(),
    config.SMOKE,
    run.measure,
    claims.judged,
    report.facts,
    {"accuracy.png": figures.by_net, "resolution.png": figures.by_resolution},
)

if __name__ == "__main__":
    STUDY.command()
