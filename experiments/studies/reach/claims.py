"""The primary claims."""

from __future__ import annotations

from experiments.nets.filters import MULTI_SCALE
from experiments.studies.reach.arms import DIRECTIONS, EVERY, TAPS_7, TAPS_31, Arm, contours, each_distance
from experiments.studies.reach.config import Config
from experiments.study.verdicts import Claim, mean, minus, slope


def claims(config: Config) -> dict[str, Claim]:
    """Who gets there, how much window that takes, and contours."""
    directions = {
        f"{name}: multi-scale - 31x31 taps": minus(
            (Arm(EVERY, MULTI_SCALE, name).name, "hits"), (Arm(EVERY, TAPS_31, name).name, "hits")
        )
        for name in DIRECTIONS
    }
    keys = {
        name: [(arm.name, "window") for arm in each_distance(config) if arm.direction == name]
        for name in ("axes", "diagonals")
    }
    gains = {
        reach: minus(*((arm.name, "hits") for arm in sorted(contours(config), key=_is_small) if arm.reach == reach))
        for reach in config.lengths
    }
    return {
        "every direction": Claim(
            "A multi-scale filter learns every displacement, in every direction, at most five points worse than 31x31 "
            "taps",
            directions,
            "above",
            -0.05,
        ),
        "window": Claim(
            "The window in use of trained global kernels grows with the displacement",
            {"slope, axes and diagonals": mean([slope(config.distances, found) for found in keys.values()])},
            scale=1.0,
            unit="px/px",
            resolution=4 / (config.distances[-1] - config.distances[0]),
        ),
        "contours": Claim(
            "Global kernels gain more over 7x7 where contours are long",
            {"gain at the longest - gain at the shortest": minus(gains[config.lengths[-1]], gains[config.lengths[0]])},
        ),
    }


def _is_small(arm: Arm) -> bool:
    return arm.filter == TAPS_7
