"""The figure of the report."""

from __future__ import annotations

import statistics

from matplotlib.figure import Figure

from experiments.nets.filters import PERIODIC, PUBLISHED
from experiments.study.figures import PALETTE, long_table, points, style, to_png
from experiments.study.report import Data


def figure(data: Data) -> bytes:
    """Mass within windows of the first layer, untrained and trained; accuracy; size when baked; PNG."""
    runs = long_table(data["rows"])
    runs["accuracy"] = 100 * runs["hits"]
    order = list(dict.fromkeys(runs["filter"]))
    made = Figure(figsize=(7.2, 3.2), layout="constrained")
    mass, accuracy, size = made.subplots(1, 3)
    for index, name in enumerate((PUBLISHED, PERIODIC)):
        (row,) = (row for row in data["rows"] if row["name"] == name)
        for state, dashes in (("fresh", "--"), ("trained", "-")):
            curves = [next(iter(run[state]["curves"].values())) for run in row["runs"]]
            means = [100 * statistics.mean(values) for values in zip(*curves, strict=True)]
            sides = [2 * place + 1 for place in range(len(means))]
            label = f"{name}, {'untrained' if state == 'fresh' else state}"
            mass.plot(sides, means, dashes, color=PALETTE[index + 2], label=label)
    for index, penalised in enumerate((False, True)):
        chosen, label = runs[runs["penalised"] == penalised], "with penalty" if penalised else "no penalty"
        for axes, measure in ((accuracy, "accuracy"), (size, "baked size")):
            points(axes, chosen, measure, "filter", order, shift=0.2 * (index - 0.5), **style(index, label=label))
    size.set_yticklabels([])
    mass.set(xlabel="window, px", ylabel="mass within it, % (first layer)", ylim=(0, 103))
    accuracy.set_xlabel("test accuracy, %")
    size.set_xlabel("side when baked, px")
    mass.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.3, 1))
    accuracy.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return to_png(made)
