"""The figures of the report."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from pandas import DataFrame

from experiments.studies.accuracy.variants import CIRCULAR, EQUAL, IMAGE, PIXEL, TAPS_3, TAPS_7
from experiments.study.figures import PALETTE, Row, legend, lines, long_table, style, ticks, to_png
from experiments.study.report import Data
from experiments.tasks.scenes import CANVAS, OBJECTS

_TITLES = {OBJECTS: "digits grow with the canvas", CANVAS: "the canvas grows, digits stay {digit} px"}


def by_net(data: Data) -> bytes:
    """Accuracy of every net, each seed and the mean with its standard error; PNG."""
    rows = sorted(data["rows"], key=_group)
    figure = Figure(figsize=(7.6, 0.36 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        color, marker = (PALETTE[0], "o") if row["padding"] == CIRCULAR else (PALETTE[1], "s")
        values = [100 * run["accuracy"] for run in row["runs"]]
        axes.plot(values, [place] * len(values), "|", color=color, alpha=0.55, markersize=9)
        mean, error = (100 * row["accuracy"][key] for key in ("mean", "error"))
        axes.errorbar(mean, place, xerr=error, color=color, marker=marker, capsize=3, markersize=6)
        if place and _group(row) != _group(rows[place - 1]):
            axes.axhline(place - 0.5, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_yticks(
        range(len(rows)), [f"{row['name']}, {row['parameters']['learnable']:,}" for row in rows], fontsize=9
    )
    axes.invert_yaxis()
    axes.set_ylabel("net (boundary), learnable parameters")
    axes.set_xlabel(f"test accuracy, % (mean ± standard error; strokes: {len(data['settings']['seeds'])} seeds)")
    return to_png(figure)


def by_resolution(data: Data) -> bytes:
    """Accuracy against the canvas, for both ways of growing; PNG."""
    rows = [row for row in data["rows"] if row["family"] in EQUAL and row["longer"] == 1]
    runs = long_table(rows)
    styles = {row["name"]: _style(row) for row in rows}
    scene = data["settings"]["scene"]
    figure = Figure(figsize=(9.8, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, (OBJECTS, CANVAS), strict=True):
        table = DataFrame(
            {"name": run["name"], "canvas": int(size), "accuracy": 100 * accuracy}
            for _, run in runs.iterrows()
            for size, accuracy in run["resolution"][kind].items()
        )
        axes.set_xscale("log", base=2)
        lines(axes, table, "canvas", "accuracy", "name", styles)
        ticks(axes, sorted(set(table["canvas"])))
        axes.axvline(scene["canvas"], color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axes.set_title(_TITLES[kind].format(**scene), fontsize=10.5)
        axes.set_xlabel("side of the canvas, px (log scale; dotted: as trained)")
    panels[0].set_ylabel("test accuracy, % (mean ± standard error)")
    legend(figure, panels[0], 4)
    return to_png(figure)


def _style(row: Row) -> dict[str, Any]:
    shared = style((PIXEL, IMAGE, TAPS_3, TAPS_7).index(row["family"]), markersize=5, capsize=2)
    return shared if row["padding"] == CIRCULAR else {**shared, "linestyle": "--", "markerfacecolor": "white"}


def _group(row: Row) -> int:
    """Nets of equal parameters, the same trained for longer, and nets with more parameters."""
    return 2 if row["family"] not in EQUAL else row["longer"] > 1
