"""The figure of the report: accuracies with their spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.study.figures import style, to_png
from experiments.study.report import Data


def accuracy(data: Data) -> bytes:
    """Accuracy on displaced digits by direction, and on enlarged digits, one line for each filter."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    reach, cost = figure.subplots(1, 2, width_ratios=(1.4, 1), sharey=True)
    names = [one["variant"] for one in data["digits"]]
    place = {name: len(names) - index for index, name in enumerate(names)}
    directions = list(dict.fromkeys(one["direction"] for one in data["displaced"]))
    for index, direction in enumerate(directions):
        rows = [one for one in data["displaced"] if one["direction"] == direction]
        shift = 0.22 * ((len(directions) - 1) / 2 - index)
        _points(reach, rows, [place[one["variant"]] + shift for one in rows], style(index, label=direction))
    _points(cost, data["digits"], list(place.values()), style(len(directions)))
    reach.set_yticks(list(place.values()), names)
    reach.set(xlabel="displaced digits: accuracy, %", xlim=(0, 103))
    cost.set(xlabel="enlarged digits: accuracy, %")
    reach.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(directions), frameon=False)
    for axes in (reach, cost):
        axes.grid(axis="x", alpha=0.3)
    return to_png(figure)


def _points(axes: Axes, rows: Sequence[Mapping[str, Any]], places: Sequence[float], given: Mapping[str, Any]) -> None:
    """Mean and range over the seeds of each row."""
    percent = [[100 * run["accuracy"] for run in row["runs"]] for row in rows]
    means = [statistics.mean(values) for values in percent]
    below = [mean - min(values) for mean, values in zip(means, percent, strict=True)]
    above = [max(values) - mean for mean, values in zip(means, percent, strict=True)]
    axes.errorbar(means, places, xerr=[below, above], linestyle="", capsize=2, markersize=5, **given)
