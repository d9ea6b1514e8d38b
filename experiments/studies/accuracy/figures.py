"""The figures of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.studies.accuracy.arms import CIRCULAR, EQUAL, IMAGE, PIXEL, TAPS_3, TAPS_7, ZEROS
from experiments.studies.accuracy.scenes import CANVAS, OBJECTS
from experiments.study.figures import MARKERS, PALETTE, tidy, to_png

_STYLE = {family: (PALETTE[i], MARKERS[i]) for i, family in enumerate((PIXEL, IMAGE, TAPS_3, TAPS_7))}
_TITLES = {OBJECTS: "digits grow with the canvas", CANVAS: "the canvas grows, digits stay {digit} px"}


def by_net(data: Mapping[str, Any]) -> bytes:
    """Accuracy of every net, each seed and the mean with its standard error; PNG."""
    rows = sorted(data["rows"], key=_group)
    figure = Figure(figsize=(7.6, 0.36 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        color = PALETTE[0] if row["padding"] == CIRCULAR else PALETTE[1]
        values = [100 * run["accuracy"] for run in row["runs"]]
        axes.plot(values, [place] * len(values), "|", color=color, alpha=0.55, markersize=9)
        mean, error = (100 * row["accuracy"][key] for key in ("mean", "error"))
        axes.errorbar(mean, place, xerr=error, color=color, marker=_marker(row), capsize=3, markersize=6)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=9)
    for place in range(1, len(rows)):
        if _group(rows[place]) != _group(rows[place - 1]):
            axes.axhline(place - 0.5, color="0.6", linewidth=0.8, linestyle=":")
    axes.invert_yaxis()
    axes.set_ylabel("net (boundary), learnable parameters")
    axes.set_xlabel(f"test accuracy, % (mean ± standard error; strokes: {len(data['settings']['seeds'])} seeds)")
    tidy(axes)
    return to_png(figure)


def by_resolution(data: Mapping[str, Any]) -> bytes:
    """Accuracy against the canvas, for both ways of growing; PNG."""
    figure = Figure(figsize=(9.8, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, (OBJECTS, CANVAS), strict=True):
        _panel(axes, data["rows"], kind)
        scene = data["settings"]["scene"]
        axes.axvline(scene["canvas"], color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axes.set_title(_TITLES[kind].format(**scene), fontsize=10.5)
        axes.set_xlabel("side of the canvas, px (log scale; dotted: as trained)")
    panels[0].set_ylabel("test accuracy, % (mean ± standard error)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return to_png(figure)


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], kind: str) -> None:
    for row in rows:
        if row["family"] not in EQUAL or row["longer"] > 1:
            continue
        color, marker = _STYLE[row["family"]]
        spreads = row["resolution"][kind]
        sizes = [int(size) for size in spreads]
        means, errors = ([100 * one[key] for one in spreads.values()] for key in ("mean", "error"))
        style: dict[str, Any] = {"color": color, "marker": marker, "markersize": 5, "label": row["name"], "capsize": 2}
        if row["padding"] == ZEROS:
            style |= {"linestyle": "--", "markerfacecolor": "white"}
        axes.errorbar(sizes, means, yerr=errors, **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    tidy(axes)


def _group(row: Mapping[str, Any]) -> int:
    """Nets of equal parameters, the same trained for longer, and nets with more parameters."""
    return 2 if row["family"] not in EQUAL else row["longer"] > 1


def _marker(row: Mapping[str, Any]) -> str:
    return "o" if row["padding"] == CIRCULAR else "s"


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['name']}, {row['parameters']['learnable']:,}"
