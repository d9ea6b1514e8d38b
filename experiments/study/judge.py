"""Verdicts on claims, from runs with several seeds: contrasts between variants, paired by seed, and a fixed rule."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import false_discovery_control, ttest_1samp

LEVEL = 0.05
"""A contrast is decided below this p-value, adjusted for all contrasts of the study."""
SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "not decidable at this size"
TEST = (
    "two-sided one-sample t-test of the per-seed values against the limit, p-values adjusted for all contrasts of the "
    "study by Benjamini and Hochberg's procedure"
)
Weights = Mapping[str, float]
"""A weighted sum of named values."""
Values = Mapping[str, Sequence[float]]
"""By name and seed, with the seeds in the same order for all names."""


def minus(left: str | Weights, right: str | Weights) -> dict[str, float]:
    """The difference between two values or weighted sums, which share no name."""
    plus, less = ({one: 1.0} if isinstance(one, str) else one for one in (left, right))
    return {**plus, **{name: -weight for name, weight in less.items()}}


def slope(places: Sequence[float]) -> list[float]:
    """Weights w such that sum(w y) is the least-squares slope of y against `places`."""
    middle = statistics.mean(places)
    square = sum((place - middle) ** 2 for place in places)
    return [(place - middle) / square for place in places]


@dataclass(frozen=True)
class Contrast:
    """A weighted sum, and what a claim says about it.

    Attributes:
        claim: key of the claim.
        label: the sum in words.
        weights: weight of each value.
        limit: what the sum is compared with.
        above: whether the claim says that the sum is above the limit; otherwise, that it is below.
    """

    claim: str
    label: str
    weights: Weights
    limit: float = 0.0
    above: bool = True

    def by_seed(self, values: Values) -> list[float]:
        """The sum for each seed."""
        parts = [[weight * value for value in values[name]] for name, weight in self.weights.items()]
        return [math.fsum(one) for one in zip(*parts, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, sample standard deviation and standard error of the mean, of at least two values."""
    deviation = statistics.stdev(values)
    return {"mean": statistics.mean(values), "deviation": deviation, "error": deviation / math.sqrt(len(values))}


def judge(claims: Mapping[str, str], contrasts: Iterable[Contrast], values: Values) -> dict[str, Any]:
    """Tests every contrast, and gives each claim the verdict of all its contrasts, if they agree.

    One contrast decided against a claim suffices to leave it unsupported; it is supported only if all are decided in
    its favour. The rule allows for the variation between seeds, not for that between test images, which most studies
    share between all seeds. Contrasts that share variants are correlated; the adjustment makes no allowance for it.

    Args:
        claims: text of each claim, by key. Contrasts are listed in this order.
        contrasts: at least one for each claim.
        values: the values that contrasts are made of.
    """
    order = list(claims)
    ordered = sorted(contrasts, key=lambda contrast: order.index(contrast.claim))
    sums = [contrast.by_seed(values) for contrast in ordered]
    adjusted = false_discovery_control(
        [_p_value(one, contrast.limit) for one, contrast in zip(sums, ordered, strict=True)]
    )
    tested: list[dict[str, Any]] = [
        {
            "claim": contrast.claim,
            "label": contrast.label,
            "limit": contrast.limit,
            **spread(one),
            "p": float(p),
            "verdict": _decide(contrast, statistics.mean(one), p),
        }
        for contrast, one, p in zip(ordered, sums, adjusted, strict=True)
    ]
    verdicts = {key: [one["verdict"] for one in tested if one["claim"] == key] for key in claims}
    return {
        "test": TEST,
        "level": LEVEL,
        "contrasts": tested,
        "claims": [{"claim": key, "text": text, "verdict": _overall(verdicts[key])} for key, text in claims.items()],
    }


def _p_value(values: Sequence[float], limit: float) -> float:
    if statistics.stdev(values) < 1e-12:  # the test divides by the deviation
        return float(math.isclose(values[0], limit, abs_tol=1e-12))
    return float(ttest_1samp(values, limit).pvalue)


def _decide(contrast: Contrast, mean: float, p: float) -> str:
    if p >= LEVEL:
        return UNDECIDED
    return SUPPORTED if (mean > contrast.limit) == contrast.above else NOT_SUPPORTED


def _overall(verdicts: Sequence[str]) -> str:
    if NOT_SUPPORTED in verdicts:
        return NOT_SUPPORTED
    return UNDECIDED if UNDECIDED in verdicts else SUPPORTED
