"""What the footprints say about the claims, most of them from the papers, some added after exploring."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.studies.footprint_prior.config import Config
from experiments.studies.footprint_prior.measures import AFTER, BEFORE, CHANGE, HALF, MASS_3, NULL, by_seed
from experiments.studies.footprint_prior.tasks import DECAYED, ONE, TWO
from experiments.studies.footprint_prior.variants import FREE, PARAMETERISATIONS
from experiments.study.judge import Contrast, judge, minus

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


def judged(_: Config, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Contrasts and verdicts; masses of a net are means over its layers."""
    return judge(CLAIMS, contrasts(), values(rows))


def values(rows: Sequence[Mapping[str, Any]]) -> Values:
    """By seed: masses of each row and state, and differences between variants."""
    found = {
        key(row["arm"], state, measure, row["condition"]): by_seed(row, state, measure)
        for row in rows
        for state in (BEFORE, AFTER, CHANGE, NULL)
        for measure in (MASS_3, HALF)
    }
    before, after = ([found[key(name, state)] for name in PARAMETERISATIONS] for state in (BEFORE, AFTER))
    changes = [[abs(a - b) for a, b in zip(*pair, strict=True)] for pair in zip(after, before, strict=True)]
    return {
        **found,
        "change": [statistics.mean(seed) for seed in zip(*changes, strict=True)],
        "difference before": _differences(before),
        "difference after": _differences(after),
    }


def contrasts() -> Iterator[Contrast]:
    """All comparisons."""
    for name in PARAMETERISATIONS:
        after = key(name, AFTER)
        yield Contrast("larger", f"mass within 3x3, {name}", {key(name, AFTER, MASS_3): 1}, LARGER, above=False)
        yield Contrast("local", f"mass within half the map, {name}", {after: 1}, LOCAL)
        yield Contrast("learned", f"trained - fresh, {name}", minus(after, key(name, NULL)))
        two = key(name, AFTER, condition=TWO.name)
        yield Contrast("reach", f"one digit - two digits, {name}", minus(after, two))
    for name in FREE:
        yield Contrast("added", f"added - fresh, {name}", minus(key(name, CHANGE), key(name, NULL)))
        decayed, fresh = (key(name, state, condition=DECAYED.name) for state in (AFTER, NULL))
        yield Contrast("decay", f"trained with decay - fresh, {name}", minus(decayed, fresh))
    yield Contrast("prior", "difference before training - change", minus("difference before", "change"))
    yield Contrast("converge", "difference before - difference after", minus("difference before", "difference after"))


def key(name: str, state: str, measure: str = HALF, condition: str = ONE.name) -> str:
    """Name of a variant's values."""
    return f"{condition}, {name}, {state}, {measure}"


def _differences(by_variant: Sequence[Sequence[float]]) -> list[float]:
    """Mean absolute difference between two variants, for each seed."""
    return [
        statistics.mean(abs(one - other) for one, other in itertools.combinations(seed, 2))
        for seed in zip(*by_variant, strict=True)
    ]
