"""The primary claim."""

from __future__ import annotations

from experiments.studies.locality.run import QUADRATIC, UNIFORM, Config
from experiments.study.verdicts import Claim, minus


def claims(_: Config) -> dict[str, Claim]:
    """Schneider 2020 reports a gain, without a number at hand."""
    return {
        "profile": Claim(
            "The profile of the penalty does not matter: quadratic and uniform are within half a point",
            {"quadratic - uniform": minus((QUADRATIC, "hits"), (UNIFORM, "hits"))},
            "within",
            margin=0.005,
            paper="Schneider 2020",
        )
    }
