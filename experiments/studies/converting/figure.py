"""The figure of the report."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.study.figures import long_table, points, style, to_png
from experiments.study.report import Data


def figure(data: Data) -> bytes:
    """Accuracy on far and near displacements after fine-tuning, steps, and milliseconds; PNG."""
    runs = long_table(data["rows"])
    order = list(dict.fromkeys(runs["name"]))
    made = Figure(figsize=(7.2, 2.6), layout="constrained")
    accuracy, steps, speed = made.subplots(1, 3, width_ratios=(1.4, 1, 1))
    for index, task in enumerate(("far", "near")):
        runs[task] = 100 * runs[f"{task} hits"]
        points(accuracy, runs, task, "name", order, shift=0.2 * (index - 0.5), **style(index, label=task))
    points(steps, runs, "steps", "name", order, **style(2))
    for index, (measure, label) in enumerate({"ms": "as trained", "baked ms": "baked"}.items()):
        points(speed, runs, measure, "name", order, shift=0.2 * (index - 0.5), **style(index + 3, label=label))
    accuracy.set_xlabel("test accuracy, %")
    steps.set_xlabel("steps to 90 % on far")
    speed.set_xlabel("ms for one image")
    for axes in (steps, speed):
        axes.set_yticklabels([])
    for axes in (accuracy, speed):
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return to_png(made)
