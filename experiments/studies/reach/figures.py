"""The figures of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.studies.reach.nets import GLOBAL, LOCAL_PRIOR
from experiments.studies.reach.tasks import CONTROL, DISPLACED, PATHFINDER, Task, displaced_tasks, draws
from experiments.studies.reach.verdict import IN_USE
from experiments.study.figures import MARKERS, PALETTE, tidy, to_png
from experiments.study.statistics import spread

Rows = Sequence[Mapping[str, Any]]
_SHOWN = ((DISPLACED, GLOBAL, 0), (DISPLACED, LOCAL_PRIOR, 1), (PATHFINDER, GLOBAL, 5))
"""Family, net, and place in the palette."""
_ANSWERS = {CONTROL: ("zeros", "ones"), DISPLACED: ("right", "down"), PATHFINDER: ("apart", "joined")}


def examples(data: Mapping[str, Any]) -> bytes:
    """A canvas of each class for the control and for the least and largest reach of each family; PNG."""
    recipe = data["settings"]
    control, *displaced = displaced_tasks(tuple(recipe["distances"]))
    contours = [Task(PATHFINDER, length, recipe["contour_canvas"]) for length in recipe["lengths"]]
    tasks = [control, displaced[0], displaced[-1], contours[0], contours[-1]]
    figure = Figure(figsize=(2.1 * len(tasks), 4.6), layout="constrained")
    for column, task in zip(figure.subplots(2, len(tasks)).T, tasks, strict=True):
        images, labels = draws(task)[1](8, torch.Generator().manual_seed(0))
        for label, axes in enumerate(column):
            axes.imshow(images[labels == label][0, 0].numpy(), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
            axes.set(xticks=[], yticks=[], xlabel=_ANSWERS[task.family][label])
        column[0].set_title(task.name, fontsize=9)
    return to_png(figure)


def reach(data: Mapping[str, Any]) -> bytes:
    """Accuracy, the window in use and the change of the radius against the required reach; PNG."""
    rows = data["rows"]
    figure = Figure(figsize=(11, 7.4), layout="constrained")
    (digits, contours), (window, radius) = figure.subplots(2, 2)
    _accuracy(digits, [row for row in rows if row["family"] in (CONTROL, DISPLACED)], "displacement, px (0: control)")
    _accuracy(contours, [row for row in rows if row["family"] == PATHFINDER], "length of the contours, px")
    digits.set_title(f"{DISPLACED}, {_size(rows, DISPLACED)} px", fontsize=10)
    contours.set_title(f"{PATHFINDER}, {_size(rows, PATHFINDER)} px", fontsize=10)
    for family, net, index in _SHOWN:
        families = (CONTROL, DISPLACED) if family == DISPLACED else (family,)
        chosen = [row for row in rows if row["family"] in families and row["net"] == net]
        style = {"color": PALETTE[index], "marker": MARKERS[index], "label": f"{family}: {net}"}
        _line(window, chosen, [[run[IN_USE] for run in row["runs"]] for row in chosen], style)
        over = [[run["rms_radius"]["value"] / run["rms_radius"]["mean"] for run in row["runs"]] for row in chosen]
        _line(radius, chosen, over, style)
    window.set(xlabel="required reach, px (0: control)", ylabel="window in use, px", ylim=(0, None))
    radius.axhline(1, color="black", linewidth=0.8, linestyle=":")
    radius.set(xlabel="required reach, px (0: control)", ylabel="rms radius / that of fresh draws")
    window.legend(frameon=False, fontsize=8, loc="best")
    for axes in (digits, contours, window, radius):
        tidy(axes)
    figure.suptitle(f"mean and standard error, {len(data['settings']['seeds'])} seeds", fontsize=9)
    return to_png(figure)


def _accuracy(axes: Axes, rows: Rows, label: str) -> None:
    nets = list(dict.fromkeys(row["net"] for row in rows))
    for index, net in enumerate(nets):
        chosen = [row for row in rows if row["net"] == net]
        values = [[100 * run["accuracy"] for run in row["runs"]] for row in chosen]
        # By its name, not its place: a net has one colour in both panels.
        place = {GLOBAL: 0, LOCAL_PRIOR: 1}.get(net, index + 2)
        style = {"color": PALETTE[place], "marker": MARKERS[place], "label": net}
        # Side by side, where nets are equally right.
        _line(axes, chosen, values, style, shift=0.012 * (index - len(nets) / 2) * rows[-1]["reach"])
    axes.axhline(50, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlabel=label, ylabel="test accuracy, %", ylim=(40, 103))
    axes.legend(frameon=False, fontsize=8, loc="best")


def _line(
    axes: Axes, rows: Rows, values: Sequence[Sequence[float]], style: Mapping[str, Any], shift: float = 0.0
) -> None:
    places = [row["reach"] + shift for row in rows]
    errors = [spread(one)["error"] for one in values]
    axes.errorbar(places, [mean(one) for one in values], yerr=errors, capsize=3, linewidth=1.8, **style)


def _size(rows: Rows, family: str) -> int:
    return next(row["size"] for row in rows if row["family"] == family)
