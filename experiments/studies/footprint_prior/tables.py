"""The tables of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.studies.footprint_prior.arms import ARMS
from experiments.studies.footprint_prior.measures import (
    AFTER,
    ALIGNED,
    BEFORE,
    CHANGE,
    ENERGY,
    HALF,
    MASS_3,
    MASS_5,
    NULL,
    RADIUS,
    RELATIVE,
    SIZE,
    by_seed,
)
from experiments.study.markdown import percent, table, with_error
from experiments.study.statistics import spread

Row = Mapping[str, Any]


def overview(rows: Sequence[Row]) -> str:
    """All rows: accuracy, and mass within half the map."""
    header = [
        "condition",
        "parameterisation",
        "parameters",
        "rate",
        "accuracy, %",
        "fresh",
        "untrained",
        "trained",
        "trained - untrained",
        "trained - fresh",
        "added by training",
        "energy, trained",
        "90 % of mass: untrained",
        "trained",
    ]
    lines = [
        [
            row["condition"],
            row["arm"],
            f"{row['parameters']:,}",
            f"{row['learning_rate']:g}",
            with_error(row["accuracy"], 100),
            *(percent(net(row, state, HALF)["mean"]) for state in (NULL, BEFORE, AFTER)),
            _signed(difference(row, AFTER, BEFORE, HALF)),
            _signed(difference(row, AFTER, NULL, HALF)),
            percent(net(row, CHANGE, HALF)["mean"]),
            percent(net(row, AFTER, ENERGY)["mean"]),
            *(percent(net(row, state, RELATIVE)["mean"]) for state in (BEFORE, AFTER)),
        ]
        for row in rows
    ]
    return table(header, lines, numbers_from=2)


def masses(rows: Sequence[Row]) -> str:
    """Every layer: mass within windows."""
    header = ["parameterisation", "map", "3x3: untrained", "trained", "fresh", "z"]
    for window in ("5x5", "half the map"):
        header += [f"{window}: untrained", "trained", "fresh", "added"]
    lines = []
    for row, layer in _layers(rows):
        effect = layer["effects"][AFTER][MASS_3]
        cells = [percent(layer[BEFORE][MASS_3]), percent(layer[AFTER][MASS_3])]
        cells += [f"{percent(layer[NULL][MASS_3])} ± {percent(effect['deviation'])}", f"{effect['z']:+.1f}"]
        for measure in (MASS_5, HALF):
            cells += [percent(layer[state][measure]) for state in (BEFORE, AFTER, NULL, CHANGE)]
        lines.append([row["arm"], str(layer["map"]), *cells])
    return table(header, lines)


def sizes(rows: Sequence[Row]) -> str:
    """Every layer: sizes in pixels."""
    header = ["parameterisation", "map"]
    for name in ("90 % of mass", "aligned", "rms radius"):
        header += [f"{name}: untrained", "trained", "fresh", "z"]
    lines = []
    for row, layer in _layers(rows):
        cells = []
        for measure in (SIZE, ALIGNED, RADIUS):
            effect = layer["effects"][AFTER][measure]
            cells += [f"{layer[state][measure]:.1f}" for state in (BEFORE, AFTER)]
            cells += [f"{layer[NULL][measure]:.1f} ± {effect['deviation']:.1f}", f"{effect['z']:+.1f}"]
        lines.append([row["arm"], str(layer["map"]), *cells, f"{layer['moved']:.1f}"])
    return table([*header, "moved"], lines)


def _layers(rows: Sequence[Row]) -> list[tuple[Row, Mapping[str, Any]]]:
    return [(row, layer) for arm in ARMS for row in rows if row["arm"] == arm for layer in row["layers"]]


def net(row: Row, state: str, measure: str) -> dict[str, float]:
    """Spread over seeds of a measure."""
    return spread(by_seed(row, state, measure))


def difference(row: Row, left: str, right: str, measure: str) -> dict[str, float]:
    """Spread over seeds of a difference between two states of the same nets."""
    pairs = zip(by_seed(row, left, measure), by_seed(row, right, measure), strict=True)
    return spread([one - other for one, other in pairs])


def _signed(values: Mapping[str, float]) -> str:
    return f"{100 * values['mean']:+.1f} ± {100 * values['error']:.1f}"
