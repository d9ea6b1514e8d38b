"""The primary claim."""

from __future__ import annotations

from experiments.studies.layers.run import ALL, CHOICES, DISPLACED, NONE, Arm, Config
from experiments.study.verdicts import Claim, minus

ENOUGH = CHOICES[3]


def claims(_: Config) -> dict[str, Claim]:
    """One block is enough."""
    one, every, none = (Arm(DISPLACED, reaching).name for reaching in (ENOUGH, ALL, NONE))
    return {
        "one block": Claim(
            "Where a task needs reach, one global block in the middle of the net is at most two points worse than four",
            {f"{ENOUGH} global - all global, displaced digits": minus((one, "hits"), (every, "hits"))},
            "above",
            -0.02,
        ),
        "needed": Claim(
            "whether the task needs more reach than four blocks with 3x3 taps have",
            {"all global - none, displaced digits": minus((every, "hits"), (none, "hits"))},
            secondary=True,
        ),
    }
