"""The primary claim."""

from __future__ import annotations

from experiments.nets.filters import MULTI_SCALE
from experiments.studies.converting.run import CONVERTED, SCRATCH, Config
from experiments.study.verdicts import Claim, minus

BEST = next(name for name, given in CONVERTED.items() if given == MULTI_SCALE)


def claims(_: Config) -> dict[str, Claim]:
    """Conversion against training from scratch."""
    return {
        "steps": Claim(
            "A converted net reaches 90 % on far displacements in fewer steps than one from scratch",
            {"converted - from scratch": minus((BEST, "steps"), (SCRATCH, "steps"))},
            "below",
            scale=1.0,
            unit="steps",
            resolution=1.0,
        )
    }
