"""The figure of the report."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.studies.accuracy.run import CIRCULAR, ZEROS
from experiments.study.figures import long_table, points, style, to_png
from experiments.study.report import Data


def figure(data: Data) -> bytes:
    """Accuracy of every net, by boundary and length of training; PNG."""
    runs = long_table(data["rows"])
    runs["accuracy"] = 100 * runs["hits"]
    runs["net"] = runs["name"].str.split(",").str[0]
    order = list(dict.fromkeys(runs["net"]))
    made = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = made.subplots()
    once, long = runs["longer"] == 1, runs["longer"] > 1
    for index, (label, chosen) in enumerate(
        {
            ZEROS: once & (runs["padding"] == ZEROS),
            CIRCULAR: once & (runs["padding"] == CIRCULAR),
            f"{ZEROS}, {data['settings']['longer']}x steps": long,
        }.items()
    ):
        points(axes, runs[chosen], "accuracy", "net", order, shift=0.2 * (index - 1), **style(index, label=label))
    axes.set_xlabel("test accuracy, % (mean and 95 % interval over seeds)")
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return to_png(made)
