"""The figure of the report."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.studies.layers.run import CHOICES, DISPLACED, LETTERS
from experiments.study.figures import long_table, points, style, to_png
from experiments.study.report import Data


def figure(data: Data) -> bytes:
    """Accuracy on both tasks, by the blocks that are global; PNG."""
    runs = long_table(data["rows"])
    runs["accuracy"] = 100 * runs["hits"]
    made = Figure(figsize=(7.2, 2.8), layout="constrained")
    for index, (axes, task) in enumerate(zip(made.subplots(1, 2), (LETTERS, DISPLACED), strict=True)):
        points(axes, runs[runs["task"] == task], "accuracy", "reaching", list(CHOICES), **style(index))
        axes.set_xlabel("test accuracy, %")
        axes.set_title(f"{task}, by global blocks", fontsize=10)
    return to_png(made)
