"""The figures of the report."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from experiments.studies.reach.tasks import CONTROL, DISPLACED, PATHFINDER, Task, draws
from experiments.studies.reach.variants import GLOBAL, LOCAL_PRIOR
from experiments.study.figures import lines, long_table, style, to_png
from experiments.study.report import Data
from experiments.tasks.displaced import CANVAS

_SHOWN = {(DISPLACED, GLOBAL): 0, (DISPLACED, LOCAL_PRIOR): 1, (PATHFINDER, GLOBAL): 5}
"""Family and net of the kernels that are shown, and their place in the palette."""
_ANSWERS = {CONTROL: ("zeros", "ones"), DISPLACED: ("right", "down"), PATHFINDER: ("apart", "joined")}


def examples(data: Data) -> bytes:
    """A canvas of each class for the control and for the least and largest reach of each family; PNG."""
    config = data["settings"]
    tasks = [Task(CONTROL, 0, CANVAS)]
    tasks += [Task(DISPLACED, config["distances"][end], CANVAS) for end in (0, -1)]
    tasks += [Task(PATHFINDER, config["lengths"][end], config["contour_canvas"]) for end in (0, -1)]
    figure = Figure(figsize=(2.1 * len(tasks), 4.6), layout="constrained")
    for column, task in zip(figure.subplots(2, len(tasks)).T, tasks, strict=True):
        images, labels = draws(task)[1](8, torch.Generator().manual_seed(0))
        for label, axes in enumerate(column):
            axes.imshow(images[labels == label][0, 0].numpy(), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
            axes.set(xticks=[], yticks=[], xlabel=_ANSWERS[task.family][label])
        column[0].set_title(task.name, fontsize=9)
    return to_png(figure)


def reach(data: Data) -> bytes:
    """Accuracy, the window in use and the change of the radius against the required reach; PNG."""
    runs = long_table(data["rows"])
    runs["accuracy"] *= 100
    runs["digits"] = runs["family"] != PATHFINDER  # the control is where digits need no reach
    figure = Figure(figsize=(11, 7.4), layout="constrained")
    (digits, contours), (window, radius) = figure.subplots(2, 2)
    _accuracy(digits, runs[runs["digits"]], "displacement, px (0: control)")
    _accuracy(contours, runs[~runs["digits"]], "length of the contours, px")
    kernels = runs.dropna(subset=["rms_radius"])
    kernels["radius"] = [one["value"] / one["mean"] for one in kernels["rms_radius"]]
    for (family, net), index in _SHOWN.items():
        chosen = kernels[kernels["digits"] == (family == DISPLACED)]
        styles = {net: style(index, linewidth=1.8, label=f"{family}: {net}")}
        lines(window, chosen, "reach", "in_use", "net", styles)
        lines(radius, chosen, "reach", "radius", "net", styles)
    window.set(xlabel="required reach, px (0: control)", ylabel="window in use, px", ylim=(0, None))
    window.legend(frameon=False, fontsize=8, loc="best")
    radius.axhline(1, color="black", linewidth=0.8, linestyle=":")
    radius.set(xlabel="required reach, px (0: control)", ylabel="rms radius / that of fresh draws")
    figure.suptitle(f"mean and standard error, {len(data['settings']['seeds'])} seeds", fontsize=9)
    return to_png(figure)


def _accuracy(axes: Axes, runs: DataFrame, label: str) -> None:
    # By its name, not its place: a net has one colour in both panels.
    places = {GLOBAL: 0, LOCAL_PRIOR: 1}
    styles = {
        net: style(places.get(net, index + 2), linewidth=1.8) for index, net in enumerate(dict.fromkeys(runs["net"]))
    }
    # Side by side, where nets are equally good.
    lines(axes, runs, "reach", "accuracy", "net", styles, dodge=0.012 * runs["reach"].max())
    axes.axhline(50, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlabel=label, ylabel="test accuracy, %", ylim=(40, 103))
    axes.set_title(f"{runs['family'].iloc[-1]}, {runs['size'].iloc[-1]} px", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="best")
