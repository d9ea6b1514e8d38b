"""What all figures of studies share: runs as one long table, points and lines with intervals, and the file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame, Series
from scipy import stats

from experiments.study import verdicts
from experiments.study.verdicts import LEVEL, OPEN
from nifconv.footprint.figures import COLORS, tidy

GREY = "#333333"
PALETTE = (*COLORS, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Row = Mapping[str, Any]


def style(index: int, **more: Any) -> dict[str, Any]:
    """Colour and marker of the index-th line, and other arguments of matplotlib."""
    return {"color": PALETTE[index % len(PALETTE)], "marker": MARKERS[index % len(MARKERS)], **more}


def long_table(rows: Iterable[Row]) -> DataFrame:
    """One line for each run: what its row says in a word or a number, and its own measures; hits as a share."""
    lines = []
    for row in rows:
        given = {key: value for key, value in row.items() if not isinstance(value, list | dict)}
        for index, run in enumerate(row["runs"]):
            measured = verdicts.values([{"name": "", "runs": [run]}])
            lines.append({**given, "run": index, **{key: float(one.mean()) for (_, key), one in measured.items()}})
    return DataFrame(lines)


def half_interval(values: Series[float]) -> float:
    """Half the width of the 95 % interval of a mean; 0 for a single value."""
    return float(stats.t.ppf(1 - LEVEL / 2, len(values) - 1) * values.sem()) if len(values) > 1 else 0.0


def points(axes: Axes, table: DataFrame, measure: str, by: str, order: Sequence[Any], **given: Any) -> None:
    """Means with 95 % intervals over seeds, one below the other; `shift` moves them down."""
    shift = given.pop("shift", 0.0)
    found = table.groupby(by)[measure].agg(["mean", half_interval])
    present = [name for name in order if name in found.index]
    places = [order.index(name) + shift for name in present]
    chosen = found.loc[present]
    axes.errorbar(chosen["mean"], places, xerr=chosen["half_interval"], **{"linestyle": "", "capsize": 3, **given})
    axes.set_yticks(range(len(order)), [str(name) for name in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)


def lines(axes: Axes, table: DataFrame, x: str, y: str, **given: Any) -> None:
    """Means of `y` with 95 % intervals over the runs with one `x`, joined by a line."""
    found = table.groupby(x)[y].agg(["mean", half_interval])
    axes.errorbar(found.index, found["mean"], yerr=found["half_interval"], **{"capsize": 3, **given})


def forest(axes: Axes, claims: Sequence[Row]) -> None:
    """All contrasts of claims of one unit, with their limits and margins.

    Decided ones are filled; the paper's own value is a square; the band is what does not matter.
    """
    places: list[str] = []
    for claim in claims:
        margin = claim["margin"]
        for one in claim["contrasts"]:
            place, unit = len(places), claim["scale"]
            places.append(f"{claim['study']}: {one['label']}")
            low, middle, high = (unit * one[key] for key in ("low", "estimate", "high"))
            face = "white" if claim["verdict"] == OPEN else PALETTE[0]
            axes.plot([low, high], [place, place], color=PALETTE[0], linewidth=2, zorder=2)
            axes.plot(middle, place, marker="o", markersize=7, color=PALETTE[0], markerfacecolor=face, zorder=3)
            axes.plot([unit * claim["limit"]] * 2, [place - 0.4, place + 0.4], color=GREY, linewidth=1.2, zorder=1)
            if margin is not None:
                ends = [unit * (claim["limit"] - margin), unit * (claim["limit"] + margin)]
                axes.fill_betweenx([place - 0.4, place + 0.4], *ends, color="#bbbbbb", alpha=0.6, linewidth=0, zorder=0)
            if claim["published"] is not None:
                axes.plot(unit * claim["published"], place, marker="s", markersize=6, color=PALETTE[1], zorder=3)
    axes.set_yticks(range(len(places)), places, fontsize=8)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)


def to_png(figure: Figure) -> bytes:
    """The content of a PNG file, the same bytes for the same data."""
    for axes in figure.axes:
        if not axes.images:
            tidy(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
