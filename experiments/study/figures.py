"""What all figures of studies share: runs as one long table, lines with error bars, legends, and the file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from nifconv.footprint.figures import COLORS, tidy

GREY = "#333333"
PALETTE = (*COLORS, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Row = Mapping[str, Any]
Styles = Mapping[Any, Mapping[str, Any]]


def style(index: int, **more: Any) -> dict[str, Any]:
    """Colour and marker of the index-th line, and other arguments of matplotlib."""
    return {"color": PALETTE[index], "marker": MARKERS[index], **more}


def long_table(rows: Iterable[Row]) -> DataFrame:
    """One line for each run: the values of its row, and its own."""
    return DataFrame([{**row, **run} for row in rows for run in row["runs"]])


def lines(axes: Axes, table: DataFrame, x: str, y: str, hue: str, styles: Styles, *, dodge: float = 0.0) -> None:
    """Mean and standard error of `y` over the runs with one `x`, as a line for each value of `hue`.

    Args:
        axes: where to draw.
        table: one line for each run.
        x, y, hue: columns.
        styles: arguments of `Axes.errorbar` for each value of `hue`, which is the label by default.
        dodge: distance on the axis of x between one line's points and the next one's.
    """
    for place, (value, given) in enumerate(styles.items()):
        found = table[table[hue] == value].groupby(x)[y].agg(["mean", "sem"])
        at = found.index + dodge * (place - (len(styles) - 1) / 2)
        axes.errorbar(at, found["mean"], yerr=found["sem"], **{"capsize": 3, "label": value, **given})


def ticks(axes: Axes, places: Sequence[float], labels: Iterable[object] | None = None) -> None:
    """Ticks on the horizontal axis at these places only."""
    axes.set_xticks(places, [str(label) for label in labels or places])
    axes.minorticks_off()


def legend(figure: Figure, axes: Axes, columns: int | None = None) -> None:
    """One legend for all panels, above them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns or len(labels), frameon=False, fontsize=9)


def to_png(figure: Figure) -> bytes:
    """The content of a PNG file, the same bytes for the same data."""
    for axes in figure.axes:
        if not axes.images:
            tidy(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
