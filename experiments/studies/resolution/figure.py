"""The figure of the report."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.studies.resolution.run import IMAGE, LIMITED
from experiments.study.figures import GREY, lines, long_table, style, to_png
from experiments.study.report import Data
from experiments.tasks.scenes import CANVAS, OBJECTS


def figure(data: Data) -> bytes:
    """Accuracy against the side of the canvas, both ways of growing; PNG."""
    runs, config = long_table(data["rows"]), data["settings"]
    sizes = [config["scene"]["canvas"], *config["canvases"]]
    made = Figure(figsize=(7.2, 3.2), layout="constrained")
    for axes, grows in zip(made.subplots(1, 2, sharey=True), (OBJECTS, CANVAS), strict=True):
        curves = {name: (name, f"{grows} ") for name in dict.fromkeys(runs["name"])}
        curves[f"{IMAGE}, band limit"] = IMAGE, f"{LIMITED} {grows} "
        for index, (label, (name, prefix)) in enumerate(curves.items()):
            chosen = runs[runs["name"] == name]
            table = chosen.melt("seed", [f"{prefix}{size}" for size in sizes], "measure", "hits")
            table["size"] = table["measure"].str.split().str[-1].astype(int)
            table["accuracy"] = 100 * table["hits"]
            lines(axes, table, "size", "accuracy", **style(index, label=label))
        axes.axhline(10, color=GREY, linestyle=":")
        axes.set_xticks(sizes)
        axes.set(xlabel="canvas, px", title={OBJECTS: "objects grow", CANVAS: "the canvas grows"}[grows])
    made.axes[0].set(ylabel="test accuracy, %", ylim=(0, 103))
    made.axes[1].legend(frameon=False, fontsize=8)
    return to_png(made)
