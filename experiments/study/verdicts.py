"""Verdicts on claims: one primary contrast each, its interval over seeds and test images, and one of four answers.

A contrast is a weighted sum of what nets with the same seed have achieved. With d[s, i] its value for seed s and test
image i, the estimate is the mean of d, and its error that of a table of random rows and random columns (two-way
analysis of variance without repetition). Measures without test images, such as the size of a kernel, vary between seeds
alone. Tests and intervals use Student's t with one degree of freedom less than there are seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import stats

from experiments.study import hits

LEVEL = 0.05
SUPPORTED, CONTRADICTED, EQUIVALENT, OPEN = "supported", "contradicted", "equivalent", "open"
SECONDARY = "no verdict"
"""Of contrasts that help to read the primary ones and are not adjusted for."""
METHOD = (
    "t-tests with errors over seeds and test images; equivalence by two one-sided tests; Holm's procedure over the "
    "primary claims of all studies"
)
Array = np.ndarray[Any, np.dtype[np.float64]]
Key = tuple[str, str]
"""Name of a row of results.json, and what its runs have measured."""
Weights = Mapping[Key, float]
Values = Mapping[Key, Array]
"""`(seeds,)`, or `(seeds, images)` where it is known which test images were right; same seeds and images everywhere."""


def minus(left: Key | Weights, right: Key | Weights) -> dict[Key, float]:
    """The difference between two values or weighted sums; what they share is added up."""
    plus, less = (one if isinstance(one, Mapping) else {one: 1.0} for one in (left, right))
    return {key: plus.get(key, 0.0) - less.get(key, 0.0) for key in (*plus, *(k for k in less if k not in plus))}


def mean(parts: Sequence[Key | Weights]) -> dict[Key, float]:
    """The mean of values or weighted sums."""
    total: dict[Key, float] = {}
    for part in parts:
        for key, weight in (part if isinstance(part, Mapping) else {part: 1.0}).items():
            total[key] = total.get(key, 0.0) + weight / len(parts)
    return total


def slope(places: Sequence[float], keys: Sequence[Key]) -> dict[Key, float]:
    """The least-squares slope of values against `places`."""
    away = [place - sum(places) / len(places) for place in places]
    square = sum(one**2 for one in away)
    return {key: one / square for key, one in zip(keys, away, strict=True)}


@dataclass(frozen=True)
class Claim:
    """What is claimed, and the contrast that decides it.

    Attributes:
        text: the claim as a sentence.
        contrasts: weights by label: one as a rule; of several, all must hold (an intersection-union test).
        says: whether they are said to be above the limit, below it, or within the margin of it.
        limit: what they are compared with.
        margin: differences from the limit below this one do not matter; without it nothing is called equivalent. A
            claim that something is at most so much worse has its margin in its limit.
        published: the paper's own number, or None.
        paper: whose claim it is, "" for our own.
        scale, unit: of the contrasts in reports.
        resolution: the smallest step of a measure without test images, such as two pixels for the side of a window.
        secondary: whether it only helps to read a primary claim: it gets an interval and no verdict.
    """

    text: str
    contrasts: Mapping[str, Weights]
    says: Literal["above", "below", "within"] = "above"
    limit: float = 0.0
    margin: float | None = None
    published: float | None = None
    paper: str = ""
    scale: float = 100.0
    unit: str = "points"
    resolution: float = field(default=0.0, kw_only=True)
    secondary: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.says == "within" and self.margin is None:
            raise ValueError(f"says='within' needs a margin, but margin=None: {self.text!r}")


@dataclass(frozen=True)
class Estimate:
    """A contrast as measured, with its standard error and interval of 95 %."""

    label: str
    estimate: float
    error: float
    low: float
    high: float
    seeds: int
    images: int | None


def values(rows: Iterable[Mapping[str, Any]]) -> dict[Key, Array]:
    """Everything that runs have measured as a number for each seed, or as a hit for each image and seed.

    Measures inside a dictionary are found as "outer inner".
    """
    found: dict[Key, Array] = {}
    for row in rows:
        runs = [_flat(run) for run in row["runs"]]
        for measure in runs[0]:
            found[row["name"], measure] = np.array([run[measure] for run in runs])
    return found


def estimate(label: str, weights: Weights, measured: Values, resolution: float = 0.0) -> Estimate:
    """A contrast with its interval.

    Where all seeds agree, the error is that of rounding to the resolution: `resolution / sqrt(12)`.
    """
    sums: Array = np.sum([weight * measured[key] for key, weight in weights.items()], axis=0)
    seeds, images = len(sums), sums.shape[1] if sums.ndim == 2 else None
    if seeds < 2:
        raise ValueError(f"{label!r} was measured with {seeds} seed, which has no spread; use 2 or more")
    error = float(sums.std(ddof=1)) / math.sqrt(seeds) if images is None else _two_way_error(sums)
    error = max(error, (1 / images if images else resolution) / math.sqrt(12))
    centre, reach = float(sums.mean()), float(stats.t.ppf(1 - LEVEL / 2, seeds - 1)) * error
    return Estimate(label, centre, error, centre - reach, centre + reach, seeds, images)


def judge(
    claims: Mapping[str, Claim], measured: Values, others: Sequence[float] = (), family: int | None = None
) -> dict[str, Any]:
    """What results.json holds of the claims: estimates, p-values and verdicts.

    Args:
        claims: those of a study, by key.
        measured: what their contrasts are made of.
        others: p-values of the primary claims of other studies, before adjustment, as far as they are known.
        family: number of primary claims of all studies; unknown p-values among them count as 1, the safe side.
    """
    estimates = {
        key: [estimate(label, weights, measured, claim.resolution) for label, weights in claim.contrasts.items()]
        for key, claim in claims.items()
    }
    tests = {key: p_values(claim, estimates[key]) for key, claim in claims.items() if not claim.secondary}
    raw = {key: min(found.values()) for key, found in tests.items()}
    known = [*raw.values(), *others]
    adjusted = holm([*known, *[1.0] * ((family or len(known)) - len(known))])
    of = dict(zip(tests, adjusted, strict=False))  # the first ones are those of this study
    judged = []
    for key, claim in claims.items():
        found = {name: value for name, value in asdict(claim).items() if name != "contrasts"}
        found |= {"claim": key, "contrasts": [asdict(one) for one in estimates[key]]}
        if claim.secondary:
            judged.append({**found, "raw_p": None, "p": None, "verdict": SECONDARY})
            continue
        factor, p = of[key]
        decided = [verdict for verdict, one in tests[key].items() if factor * one < LEVEL]
        judged.append({**found, "raw_p": raw[key], "p": p, "verdict": decided[0] if p < LEVEL else OPEN})
    return {"method": METHOD, "level": LEVEL, "claims": judged}


def p_values(claim: Claim, found: Sequence[Estimate]) -> dict[str, float]:
    """The p-value of each verdict but "open", the stronger verdicts first.

    At whatever value the contrast truly has, the tests of one claim together give a false verdict with probability
    `LEVEL` at most: only what lies on one side of that value can be wrong, or both sides with half of it each.
    """
    margin = claim.margin
    inside = max(_outside(one, claim.limit, margin) for one in found) if margin is not None else 1.0
    if claim.says == "within":
        assert margin is not None  # noqa: S101 - for the type checker
        beyond = [2 * min(_above(one, claim.limit + margin), _below(one, claim.limit - margin)) for one in found]
        return {EQUIVALENT: inside, CONTRADICTED: min(1.0, len(found) * min(beyond))}
    right, wrong = (_above, _below) if claim.says == "above" else (_below, _above)
    return {
        SUPPORTED: min(1.0, 2 * max(right(one, claim.limit) for one in found)),
        CONTRADICTED: min(1.0, 2 * len(found) * min(wrong(one, claim.limit) for one in found)),
        EQUIVALENT: inside,
    }


def holm(p_values: Sequence[float]) -> list[tuple[int, float]]:
    """Factor and adjusted value of each p-value: the smallest times m, the next times m - 1, never descending."""
    found, largest = {}, 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        factor = len(p_values) - rank
        largest = max(largest, min(1.0, factor * p_values[place]))
        found[int(place)] = factor, largest
    return [found[place] for place in range(len(p_values))]


def _above(one: Estimate, limit: float) -> float:
    """One-sided p-value of the true contrast being above the limit."""
    if one.error == 0:  # nothing is known about the spread
        return 1.0
    return float(stats.t.sf((one.estimate - limit) / one.error, one.seeds - 1))


def _below(one: Estimate, limit: float) -> float:
    return 1.0 if one.error == 0 else 1.0 - _above(one, limit)


def _outside(one: Estimate, limit: float, margin: float) -> float:
    """Two one-sided tests (Schuirmann 1987): p-value of the true contrast being within the margin."""
    return max(_above(one, limit - margin), _below(one, limit + margin))


def _two_way_error(sums: Array) -> float:
    """Standard error of the mean of `(seeds, images)`, both of them random: sqrt((M_s + M_i - M_r) / (seeds * images)).

    M_s, M_i and M_r are the mean squares of seeds, of images and of what remains; each of the first two contains the
    last, which must be counted once.
    """
    seeds, images = sums.shape
    by_seed, by_image = sums.mean(1), sums.mean(0)
    rest = sums - by_seed[:, None] - by_image + sums.mean()  # (seeds, images)
    of_seeds = by_seed.var(ddof=1) / seeds
    of_images = by_image.var(ddof=1) / images
    of_rest = (rest**2).sum() / ((seeds - 1) * (images - 1)) / (seeds * images)
    # Not below what the seeds alone show: the difference of the others is an estimate and can be negative.
    return math.sqrt(of_seeds + max(of_images - of_rest, 0.0))


def _flat(run: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in run.items():
        if isinstance(value, Mapping) and hits.RIGHT in value:
            found[prefix + name] = hits.unpack(dict(value))
        elif isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name} ")
        elif isinstance(value, int | float):
            found[prefix + name] = float(value)
    return found
