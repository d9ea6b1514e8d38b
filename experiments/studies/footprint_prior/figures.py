"""The figures of the report, drawn from the content of results.json alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from experiments.studies.footprint_prior.measures import AFTER, BEFORE, CHANGE, CURVE, HALF, NULL, RELATIVE, by_seed
from experiments.studies.footprint_prior.tasks import ONE
from experiments.studies.footprint_prior.variants import PARAMETERISATIONS
from experiments.study.figures import GREY, PALETTE, Row, legend, to_png
from experiments.study.report import Data
from nifconv import footprint

_CURVES: Mapping[str, dict[str, Any]] = {
    NULL: {"color": "#bbbbbb", "linewidth": 5, "label": "fresh draws"},
    AFTER: {"color": PALETTE[1], "linewidth": 1.8, "label": "trained"},
    BEFORE: {"color": PALETTE[0], "linestyle": "--", "linewidth": 1.6, "label": "untrained"},
    CHANGE: {"color": PALETTE[2], "linestyle": "-.", "linewidth": 1.4, "label": "added by training"},
}
_PANELS = {RELATIVE: "side that holds 90 % of the mass,\nshare of the map's side", HALF: "mass within half the map"}


def masses(data: Data) -> bytes:
    """Mass against window side by map and variant, untrained, trained and re-initialised; PNG."""
    layers = {row["arm"]: row["layers"] for row in data["rows"] if row["condition"] == ONE.name}
    maps = len(layers[PARAMETERISATIONS[0]])
    figure = Figure(figsize=(2.5 * len(PARAMETERISATIONS), 2.2 * maps + 0.7), layout="constrained")
    grid = figure.subplots(maps, len(PARAMETERISATIONS), squeeze=False, sharey=True, sharex="row")
    for column, name in enumerate(PARAMETERISATIONS):
        grid[0, column].set_title(name, fontsize=11)
        for axes, layer in zip(grid[:, column], layers[name], strict=True):
            _mass_panel(axes, layer)
            if not column:
                axes.set_ylabel(f"{layer['map']} px map")
    legend(figure, grid[0, 0])
    figure.supxlabel("side of a centred window, px", fontsize=10)
    figure.supylabel("mass within it", fontsize=10)
    return to_png(figure)


def sizes(data: Data) -> bytes:
    """Effective size and mass within half the map, untrained to trained, every seed, by condition; PNG."""
    by_condition: dict[str, list[Row]] = {}
    for row in data["rows"]:
        by_condition.setdefault(row["condition"], []).append(row)
    counts = list(map(len, by_condition.values()))
    figure = Figure(figsize=(1.15 * sum(counts) + 1.5, 6.6), layout="constrained")
    shape = len(_PANELS), len(counts)
    grid = figure.subplots(*shape, squeeze=False, sharey="row", sharex="col", width_ratios=counts)
    for panels, (measure, label) in zip(grid, _PANELS.items(), strict=True):
        for axes, rows in zip(panels, by_condition.values(), strict=True):
            _size_panel(axes, rows, measure)
        panels[0].set_ylabel(label)
    for axes, condition in zip(grid[0], by_condition, strict=True):
        axes.set_title(condition, fontsize=11)
    legend(figure, grid[0, 0])
    return to_png(figure)


def _mass_panel(axes: Axes, layer: Row) -> None:
    side = layer["map"]
    windows = footprint.windows((side, side))
    for state, style in _CURVES.items():
        axes.plot(windows, layer[state][CURVE], **style)
    flat = [min(window, side) ** 2 / side**2 for window in windows]
    axes.plot(windows, flat, color=GREY, linestyle=":", linewidth=1.2, label="flat kernel")
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xticks(windows[:: max(len(windows) // 4, 1)])


def _size_panel(axes: Axes, rows: Sequence[Row], measure: str) -> None:
    for place, row in enumerate(rows):
        before, after = (by_seed(row, state, measure) for state in (BEFORE, AFTER))
        labels = {state: style["label"] if place == 0 else "" for state, style in _CURVES.items()}
        null = statistics.mean(by_seed(row, NULL, measure))
        axes.hlines(null, place - 0.35, place + 0.35, **{**_CURVES[NULL], "label": labels[NULL]}, zorder=1)
        for pair in zip(before, after, strict=True):
            axes.plot((place - 0.18, place + 0.18), pair, color="#777777", linewidth=0.8, zorder=2)
        for state, values, shift, marker in ((BEFORE, before, -0.18, "o"), (AFTER, after, 0.18, "s")):
            label, color = labels[state] and f"{labels[state]}, a seed", _CURVES[state]["color"]
            axes.scatter([place + shift] * len(values), values, s=26, c=color, marker=marker, zorder=3, label=label)
    axes.set_xticks(range(len(rows)), [row["arm"].replace(" ", "\n") for row in rows], fontsize=9)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylim(0, 1.07)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
