"""The primary claims."""

from __future__ import annotations

from experiments.studies.accuracy.run import CIRCULAR, ENDS, IMPLICIT, TAPS, Arm, Config
from experiments.study.verdicts import Claim, minus

MARGIN = 0.01


def claims(config: Config) -> dict[str, Claim]:
    """Parity, what the deficit is due to, and the boundary."""
    long_taps, long_global = ((Arm(*net, longer=config.longer).name, "hits") for net in ENDS)
    taps, same, whole, wrapped = (
        (arm.name, "hits")
        for arm in (Arm(TAPS, 3), Arm(IMPLICIT, 3), Arm(IMPLICIT, None), Arm(IMPLICIT, None, CIRCULAR))
    )
    return {
        "parity": Claim(
            f"With {config.longer} times the training, global filters are within a point of 3x3 taps",
            {"global - 3x3 taps": minus(long_global, long_taps)},
            "within",
            margin=MARGIN,
            paper="Grabinski, Keuper & Keuper 2024",
        ),
        "parametrisation": Claim(
            "With short training, a small network that gives 3x3 kernels costs accuracy, without any reach",
            {"3x3 implicit - 3x3 taps": minus(same, taps)},
            "below",
            margin=MARGIN,
        ),
        "boundary": Claim(
            "Maps that wrap around are within a point of zero padding, for global filters",
            {"circular - zeros": minus(wrapped, whole)},
            "within",
            margin=MARGIN,
        ),
        "reach": Claim(
            "what reach adds, of one parametrisation",
            {"global implicit - 3x3 implicit": minus(whole, same)},
            secondary=True,
        ),
    }
