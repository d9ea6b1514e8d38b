"""The figures of the report, drawn from the content of results.json alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from experiments.studies.footprint_prior.arms import ARMS
from experiments.studies.footprint_prior.measures import AFTER, BEFORE, CHANGE, CURVE, HALF, NULL, RELATIVE, by_seed
from experiments.studies.footprint_prior.tasks import ONE
from experiments.study.figures import PALETTE, tidy, to_png
from nifconv import footprint

_CURVES: Mapping[str, dict[str, Any]] = {
    NULL: {"color": "#bbbbbb", "linewidth": 5, "label": "fresh draws"},
    AFTER: {"color": PALETTE[1], "linewidth": 1.8, "label": "trained"},
    BEFORE: {"color": PALETTE[0], "linestyle": "--", "linewidth": 1.6, "label": "untrained"},
    CHANGE: {"color": PALETTE[2], "linestyle": "-.", "linewidth": 1.4, "label": "added by training"},
}
_PANELS = {RELATIVE: "side that holds 90 % of the mass,\nshare of the map's side", HALF: "mass within half the map"}


def masses(data: Mapping[str, Any]) -> bytes:
    """Mass against window side by map and parameterisation, untrained, trained and of fresh draws; PNG."""
    rows = {row["arm"]: row["layers"] for row in data["rows"] if row["condition"] == ONE.name}
    maps = len(rows[ARMS[0]])
    figure = Figure(figsize=(2.5 * len(ARMS), 2.2 * maps + 0.7), layout="constrained")
    grid = figure.subplots(maps, len(ARMS), squeeze=False, sharey=True, sharex="row")
    for column, arm in enumerate(ARMS):
        for axes, layer in zip(grid[:, column], rows[arm], strict=True):
            _mass_panel(axes, layer)
        grid[0, column].set_title(arm, fontsize=11)
    for axes, layer in zip(grid[:, 0], rows[ARMS[0]], strict=True):
        axes.set_ylabel(f"{layer['map']} px map")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.supxlabel("side of a centred window, px", fontsize=10)
    figure.supylabel("mass within it", fontsize=10)
    return to_png(figure)


def sizes(data: Mapping[str, Any]) -> bytes:
    """Effective size and mass within half the map, untrained to trained, every seed, by condition; PNG."""
    conditions = list(dict.fromkeys(row["condition"] for row in data["rows"]))
    counts = [sum(row["condition"] == condition for row in data["rows"]) for condition in conditions]
    figure = Figure(figsize=(1.15 * sum(counts) + 1.5, 6.6), layout="constrained")
    grid = figure.subplots(
        len(_PANELS), len(conditions), squeeze=False, sharey="row", sharex="col", width_ratios=counts
    )
    for panels, (measure, label) in zip(grid, _PANELS.items(), strict=True):
        for axes, condition in zip(panels, conditions, strict=True):
            _size_panel(axes, [row for row in data["rows"] if row["condition"] == condition], measure)
        panels[0].set_ylabel(label)
    for axes, condition in zip(grid[0], conditions, strict=True):
        axes.set_title(condition, fontsize=11)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return to_png(figure)


def _mass_panel(axes: Axes, layer: Mapping[str, Any]) -> None:
    side = layer["map"]
    windows = footprint.windows((side, side))
    flat = [min(window, side) ** 2 / side**2 for window in windows]
    for state, style in _CURVES.items():
        axes.plot(windows, layer[state][CURVE], **style)
    axes.plot(windows, flat, color="#333333", linestyle=":", linewidth=1.2, label="flat kernel")
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xticks(windows[:: max(len(windows) // 4, 1)])
    tidy(axes)


def _size_panel(axes: Axes, rows: Sequence[Mapping[str, Any]], measure: str) -> None:
    for place, row in enumerate(rows):
        values = {state: by_seed(row, state, measure) for state in _CURVES}
        first = place == 0
        fresh = statistics.mean(values[NULL])
        axes.hlines(
            fresh,
            place - 0.35,
            place + 0.35,
            color="#bbbbbb",
            linewidth=5,
            zorder=1,
            label="fresh draws" if first else "",
        )
        for pair in zip(values[BEFORE], values[AFTER], strict=True):
            axes.plot((place - 0.18, place + 0.18), pair, color="#777777", linewidth=0.8, zorder=2)
        for state, shift, marker in ((BEFORE, -0.18, "o"), (AFTER, 0.18, "s")):
            axes.scatter(
                [place + shift] * len(row["runs"]),
                values[state],
                color=_CURVES[state]["color"],
                marker=marker,
                s=26,
                zorder=3,
                label=f"{_CURVES[state]['label']}, a seed" if first else "",
            )
    axes.set_xticks(range(len(rows)), [row["arm"].replace(" ", "\n") for row in rows], fontsize=9)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylim(0, 1.07)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    tidy(axes)
