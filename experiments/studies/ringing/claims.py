"""The primary claims."""

from __future__ import annotations

from experiments.nets.filters import PERIODIC, PUBLISHED, RAW
from experiments.studies.ringing.run import Arm, Config
from experiments.study.verdicts import Claim, minus


def claims(_: Config) -> dict[str, Claim]:
    """What the ringing adds to the size of kernels, and whether it is of any use."""
    ringing, smooth = Arm(PUBLISHED).name, Arm(PERIODIC).name
    return {
        "size": Claim(
            "Kernels of the published filter are larger when baked than those of a filter that does not ring",
            {"baked side, published - periodic": minus((ringing, "baked size"), (smooth, "baked size"))},
            scale=1.0,
            unit="px",
            resolution=2.0,
        ),
        "use": Claim(
            "The filter that does not ring is at most a point less accurate",
            {"periodic - published": minus((smooth, "hits"), (ringing, "hits"))},
            "above",
            -0.01,
        ),
        "ringing": Claim(
            "the closest comparison: both in pixels, with almost as many parameters",
            {"baked side, raw pixel - periodic": minus((Arm(RAW).name, "baked size"), (smooth, "baked size"))},
            scale=1.0,
            unit="px",
            resolution=2.0,
            secondary=True,
        ),
    }
