"""The primary claim."""

from __future__ import annotations

from experiments.studies.locality.run import QUADRATIC, UNIFORM, Config
from experiments.study.verdicts import Claim, minus


def claims(_: Config) -> dict[str, Claim]:
    """Schneider 2020 reports a gain, without a number at hand."""
    return {
        "profile": Claim(
            "Against the paper: quadratic and uniform penalties are within half a point of each other",
            {"quadratic - uniform": minus((QUADRATIC, "hits"), (UNIFORM, "hits"))},
            "within",
            margin=0.005,
            paper="Schneider 2020",
        )
    }
