"""The figure of the report. Colours are Okabe and Ito's, which colour-blind readers can tell apart."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.random_lc.run import PLAIN, WIDE

_STYLES: Mapping[bool, dict[str, Any]] = {
    True: {"color": "#0072B2", "marker": "o", "linestyle": "-", "label": "learned"},
    False: {"color": "#D55E00", "marker": "s", "linestyle": "--", "label": "frozen"},
}
_LINES = {PLAIN: ("#333333", "-"), WIDE: ("#8a8a8a", ":")}


def accuracy(data: Mapping[str, Any]) -> bytes:
    """Accuracy against E, frozen and learned, one panel for each kind of filter; PNG."""
    rows = data["rows"]
    families = list(dict.fromkeys(row["family"] for row in rows if row["expansion"] is not None))
    figure = Figure(figsize=(3.3 * len(families), 4.0), layout="constrained")
    grid = figure.subplots(1, len(families), squeeze=False, sharey=True)[0]
    for axes, family in zip(grid, families, strict=True):
        _panel(axes, rows, family)
    grid[0].set_ylabel("test accuracy, %")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.supxlabel(
        f"E, spatial filters for each output channel (mean and standard error, {len(data['settings']['seeds'])} seeds)",
        fontsize=9.5,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], family: str) -> None:
    for name, (color, linestyle) in _LINES.items():
        mean, error = next((100 * row["mean"], 100 * row["error"]) for row in rows if row["name"] == name)
        axes.axhline(mean, color=color, linestyle=linestyle, linewidth=1.5, label=name, zorder=1)
        axes.axhspan(mean - error, mean + error, color=color, alpha=0.15, linewidth=0)
    for learned, style in _STYLES.items():
        shown = [row for row in rows if row["family"] == family and row["learned"] == learned]
        expansions = [row["expansion"] for row in shown]
        means, errors = ([100 * row[key] for row in shown] for key in ("mean", "error"))
        axes.errorbar(expansions, means, yerr=errors, capsize=3, linewidth=1.8, markersize=6, zorder=2, **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks(expansions, [str(expansion) for expansion in expansions])
    axes.minorticks_off()
    axes.set_title(family, fontsize=10.5)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
