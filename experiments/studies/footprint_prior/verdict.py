"""What the footprints say about the claims, most of them from the papers, some added after exploring."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.studies.footprint_prior.arms import ARMS, FREE
from experiments.studies.footprint_prior.measures import AFTER, BEFORE, CHANGE, HALF, MASS_3, NULL, by_seed
from experiments.studies.footprint_prior.tasks import DECAYED, ONE, TWO
from experiments.study.statistics import Contrast, judge

LARGER, LOCAL = 0.5, 0.9
"""Shares of the mass: within 3x3 for "larger than 3x3", within half the map's side for "local"."""
CLAIMS = {
    "larger": "Trained kernels are larger than 3x3: less than half of their mass is within 3x3 (every "
    "parameterisation, one digit)",
    "local": "Trained kernels are local: 90 % of their mass is within half the map's side (every parameterisation, one "
    "digit)",
    "learned": "Training makes kernels more local than fresh draws (every parameterisation, one digit)",
    "added": "What training adds to free kernels is more local than their fresh draws, which are white (table and "
    "taps, one digit)",
    "prior": "Before training, parameterisations differ by more than training changes them (one digit)",
    "converge": "After training, parameterisations differ by less than before (one digit)",
    "decay": "Under strong weight decay, which removes the noise that free kernels start with, training makes them "
    "more local than fresh draws (table and taps, one digit)",
    "reach": "A question that needs reach leaves less mass within half the map than one that does not (every "
    "parameterisation, two digits against one)",
}
Values = dict[str, list[float]]


def judge_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Contrasts and verdicts, from the rows of results.json; masses of a net are means over its layers."""
    return judge(CLAIMS, contrasts(), values(rows))


def values(rows: Sequence[Mapping[str, Any]]) -> Values:
    """What contrasts are made of, by seed: masses of each row and state, and differences between rows."""
    found = {
        key(row["condition"], row["arm"], state, measure): by_seed(row, state, measure)
        for row in rows
        for state in (BEFORE, AFTER, CHANGE, NULL)
        for measure in (MASS_3, HALF)
    }
    before, after = ([found[_half(arm, state)] for arm in ARMS] for state in (BEFORE, AFTER))
    changes = [[abs(a - b) for a, b in zip(*pair, strict=True)] for pair in zip(after, before, strict=True)]
    return {
        **found,
        "change": [statistics.mean(seed) for seed in zip(*changes, strict=True)],
        "difference before": _differences(before),
        "difference after": _differences(after),
    }


def contrasts() -> list[Contrast]:
    """All comparisons that are made."""
    made = []
    for arm in ARMS:
        within3, after = (key(ONE.name, arm, AFTER, measure) for measure in (MASS_3, HALF))
        made += [
            Contrast("larger", f"mass within 3x3, {arm}", {within3: 1}, LARGER, above=False),
            Contrast("local", f"mass within half the map, {arm}", {after: 1}, LOCAL),
            Contrast("learned", f"trained - fresh, {arm}", _minus(after, _half(arm, NULL))),
            Contrast("reach", f"one digit - two digits, {arm}", _minus(after, _half(arm, AFTER, TWO.name))),
        ]
    for arm in FREE:
        added, decayed = _half(arm, CHANGE), _half(arm, AFTER, DECAYED.name)
        made += [
            Contrast("added", f"added - fresh, {arm}", _minus(added, _half(arm, NULL))),
            Contrast("decay", f"trained with decay - fresh, {arm}", _minus(decayed, _half(arm, NULL, DECAYED.name))),
        ]
    made += [
        Contrast("prior", "difference before training - change", _minus("difference before", "change")),
        Contrast("converge", "difference before - difference after", _minus("difference before", "difference after")),
    ]
    return sorted(made, key=lambda contrast: list(CLAIMS).index(contrast.claim))


def key(condition: str, arm: str, state: str, measure: str) -> str:
    """Name of a row's values."""
    return f"{condition}, {arm}, {state}, {measure}"


def _half(arm: str, state: str, condition: str = ONE.name) -> str:
    return key(condition, arm, state, HALF)


def _minus(left: str, right: str) -> dict[str, float]:
    return {left: 1, right: -1}


def _differences(by_arm: Sequence[Sequence[float]]) -> list[float]:
    """Mean absolute difference between two parameterisations, for each seed."""
    return [
        statistics.mean(abs(one - other) for one, other in itertools.combinations(seed, 2))
        for seed in zip(*by_arm, strict=True)
    ]
