"""What runs with several seeds say about a claim: contrasts between rows, paired by seed, and a fixed rule."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of rows, and what a claim says about it.

    Attributes:
        claim: key of the claim.
        label: the sum in words.
        weights: by row.
        limit: what the sum is compared with.
        above: the claim says that the sum is above the limit; otherwise, that it is below.
    """

    claim: str
    label: str
    weights: Mapping[str, float]
    limit: float = 0.0
    above: bool = True

    def by_seed(self, values: Mapping[str, Sequence[float]]) -> list[float]:
        """The sum for each seed; `values` are by row and seed."""
        parts = [[weight * value for value in values[row]] for row, weight in self.weights.items()]
        return [math.fsum(one) for one in zip(*parts, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation (of a sample) and standard error of the mean, of at least two values."""
    deviation = statistics.stdev(values)
    return {"mean": statistics.mean(values), "deviation": deviation, "error": deviation / math.sqrt(len(values))}


def judge(
    claims: Mapping[str, str], contrasts: Sequence[Contrast], values: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Every contrast tested, and a verdict on each claim: that of all its contrasts, if they agree.

    One contrast that is decided against a claim suffices to leave it unsupported; it is supported only if all are
    decided in its favour. The rule allows for the variation between seeds, not for that between test images, which
    most studies give to all seeds alike. Contrasts that share rows are correlated; the adjustment makes no allowance.

    Args:
        claims: key to text.
        contrasts: at least one for each claim.
        values: by row and seed, the seeds in the same order for all rows.
    """
    sums = [contrast.by_seed(values) for contrast in contrasts]
    adjusted = false_discovery_control(
        [_p_value(one, contrast.limit) for one, contrast in zip(sums, contrasts, strict=True)]
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
        for contrast, one, p in zip(contrasts, sums, adjusted, strict=True)
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
