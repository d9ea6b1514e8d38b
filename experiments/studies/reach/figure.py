"""The figure of the report."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.studies.reach.arms import DIRECTIONS, EVERY, ONE
from experiments.study.figures import GREY, lines, long_table, points, style, to_png
from experiments.study.report import Data


def figure(data: Data) -> bytes:
    """Accuracy of every filter by direction, and the window in use against the displacement; PNG."""
    runs = long_table(data["rows"])
    runs["accuracy"] = 100 * runs["hits"]
    made = Figure(figsize=(7.2, 3.4), layout="constrained")
    who, window = made.subplots(1, 2, width_ratios=(1.5, 1))
    every, one = runs[runs["task"] == EVERY], runs[(runs["task"] == ONE) & (runs["window"] > 0)]
    order = list(dict.fromkeys(every["filter"]))
    for index, name in enumerate(DIRECTIONS):
        shown = style(index, label=name)
        points(who, every[every["direction"] == name], "accuracy", "filter", order, shift=0.2 * (index - 1), **shown)
        if name in set(one["direction"]):
            lines(window, one[one["direction"] == name], "reach", "window", **shown)
    reaches = sorted(set(one["reach"]))
    window.plot(reaches, reaches, color=GREY, linestyle=":", label="1 px per px")
    who.set(xlabel="test accuracy, %", xlim=(0, 103))
    window.set(xlabel="displacement, px", ylabel="window in use, px", ylim=(0, None))
    window.legend(frameon=False, fontsize=8)
    who.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(DIRECTIONS))
    return to_png(made)
