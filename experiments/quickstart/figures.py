"""The figures of the report. Colours are Okabe and Ito's, which colour-blind readers can tell apart."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from experiments.quickstart.run import CLASS_NAMES, DISPLACEMENTS, DISTANCES, NetResult
from experiments.tasks.displaced import CANVAS, compose, displaced_digits
from experiments.tasks.handwritten import DIGIT
from nifconv import footprint
from nifconv.footprint import LayerFootprint
from nifconv.footprint.figures import draw_kernel, strongest

COLORS = {"3x3": "#E69F00", "7x7": "#56B4E9", "frequency": "#0072B2", "centred": "#D55E00"}
_GREY = "#6b6b6b"
KERNELS_SHOWN = 6
COLOUR_QUANTILE = 0.98
"""Taps above this quantile of a kernel have the full colour."""


def draw_all(results: Sequence[NetResult], control: NetResult, seed: int) -> dict[str, bytes]:
    """All figures as PNG, by file name."""
    frequency = results[-1]
    figures: dict[str, Callable[[], Figure]] = {
        "examples.png": lambda: examples(seed),
        "accuracy.png": lambda: accuracy(results),
        "kernels.png": lambda: kernels(results),
        "mass.png": lambda: mass(frequency),
        "control.png": lambda: reach(frequency, control),
        "overview.png": lambda: overview(results, seed),
    }
    return {name: _png(draw()) for name, draw in figures.items()}


def reach(displaced: NetResult, control: NetResult) -> Figure:
    """Kernels of the frequency net after either task, over those of re-initialised filters."""
    figure = Figure(figsize=(13, 3.9), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.75, 1)).flat  # type: ignore[union-attr]
    mass_axes, profile_axes = left.subplots(1, 2)
    tasks = (("displaced digits", displaced, COLORS["frequency"]), ("centred digits", control, COLORS["centred"]))
    null = displaced.after.layers[0].null
    if null is not None:
        low, median, high = null.mass_band
        windows = displaced.after.layers[0].windows
        mass_axes.fill_between(windows, low, high, color=_GREY, alpha=0.25, linewidth=0)
        mass_axes.plot(windows, median, color=_GREY, linewidth=1.5, linestyle="--", label="re-initialised")
    profile = footprint.radial_profile(displaced.before.layers[0].taps).flatten(0, 1).nanmedian(0).values
    profile_axes.semilogy(range(len(profile)), profile, color=_GREY, linestyle="--", label="before training")
    for name, result, color in tasks:
        layer = result.after.layers[0]
        _mass_curve(mass_axes, layer, color, name)
        profile = footprint.radial_profile(layer.taps).flatten(0, 1).nanmedian(0).values
        profile_axes.semilogy(range(len(profile)), profile, color=color, linewidth=2, label=name)
    for distance in DISTANCES:
        profile_axes.axvline(distance, color="black", linewidth=0.8, linestyle=":", zorder=0)
    mass_axes.set(xlabel="window side, pixels", ylabel="share of the mass inside", xlim=(0, CANVAS + 2), ylim=(0, 1.03))
    profile_axes.set(xlabel="distance from the centre, pixels", ylabel="mean weight there / mean weight", xlim=(0, 30))
    profile_axes.set_title("dotted: the displacements of the task", fontsize=9)
    for axes in (mass_axes, profile_axes):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    mass_axes.legend(frameon=False, loc="lower right", fontsize=9)
    grid = right.subplots(2, 3, sharex=True, sharey=True)
    for line, (name, result, _) in zip(grid, tasks, strict=True):
        _kernel_row(list(line), result.after.layers[0])
        line[0].set_ylabel(name, fontsize=9)
    return figure


def overview(results: Sequence[NetResult], seed: int) -> Figure:
    """A canvas, the accuracies and a few kernels beside one another."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=(0.62, 1.5, 1.25)).flat  # type: ignore[union-attr]
    canvas = left.subplots()
    canvas.imshow(_one_of_each_class(seed)[-1, 0], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    canvas.set_title(f"how far apart? ({CLASS_NAMES[-1]})", fontsize=10)
    canvas.set(xticks=(0, CANVAS - 1), yticks=(0, CANVAS - 1))
    canvas.tick_params(labelsize=8, length=2)
    _accuracy_bars(middle.subplots(), results, numbers=False)
    grid = right.subplots(2, 3, sharex=True, sharey=True)
    right.suptitle("kernels of the frequency net, 48 x 48 pixels", fontsize=10)
    _kernel_row(list(grid.flat), results[-1].after.layers[0])
    return figure


def examples(seed: int) -> Figure:
    """One canvas of test digits for each class, the pair placed so that it does not wrap around."""
    figure = Figure(figsize=(9, 4.9), layout="constrained")
    grid = figure.subplots(2, len(CLASS_NAMES) // 2)
    for axes, name, canvas in zip(grid.flat, CLASS_NAMES, _one_of_each_class(seed), strict=True):
        axes.imshow(canvas[0], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, fontsize=10)
        axes.set(xticks=(0, CANVAS - 1), yticks=(0, CANVAS - 1))
        axes.tick_params(labelsize=8, length=2)
    return figure


def _one_of_each_class(seed: int) -> Tensor:
    pool = displaced_digits()[1].pool
    generator = torch.Generator().manual_seed(seed)
    count = len(DISPLACEMENTS)
    digits = torch.randint(len(pool), (count, 2), generator=generator)
    offsets = torch.tensor(DISPLACEMENTS)
    corners = torch.randint(CANVAS - DIGIT - max(DISTANCES), (count, 2), generator=generator)
    return compose(pool, digits, corners - offsets.clamp(max=0), offsets)  # to the left needs room on the left


def accuracy(results: Sequence[NetResult]) -> Figure:
    """Test accuracy of each net at each displacement."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    _accuracy_bars(figure.subplots(), results, numbers=True)
    return figure


def _accuracy_bars(axes: Axes, results: Sequence[NetResult], *, numbers: bool) -> None:
    width = 0.27
    for place, result in enumerate(results):
        percent = [100 * value for value in result.outcome.accuracy_by_class]
        left = [index + (place - 1) * width for index in range(len(percent))]
        bars = axes.bar(left, percent, width * 0.92, color=COLORS[result.name], label=result.name)
        if numbers:
            axes.bar_label(bars, fmt="%.0f", fontsize=7.5, padding=1.5, color="#333333")
    chance = 100 / len(CLASS_NAMES)
    axes.axhline(chance, color=_GREY, linewidth=1, linestyle="--", zorder=0, label=f"chance, {chance:.1f} %")
    axes.set_xticks(
        range(len(CLASS_NAMES)), [name.replace(" px ", "\n").replace("down ", "down\n") for name in CLASS_NAMES]
    )
    axes.set(ylabel="test accuracy, %", xlabel="displacement of the second digit, pixels", ylim=(0, 108))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, columnspacing=1.2)


def kernels(results: Sequence[NetResult]) -> Figure:
    """The kernels of largest energy of each net's first depthwise layer, all in the frame of the whole canvas."""
    rows = [(result.name, result.after.layers[0]) for result in results]
    rows.append(("frequency,\nuntrained", results[-1].before.layers[0]))
    figure = Figure(figsize=(1.55 * KERNELS_SHOWN + 0.6, 1.62 * len(rows) + 0.3), layout="constrained")
    grid = figure.subplots(len(rows), KERNELS_SHOWN, squeeze=False, sharex=True, sharey=True)
    for line, (name, layer) in zip(grid, rows, strict=True):
        _kernel_row(line, layer)
        line[0].set_ylabel(name, fontsize=10)
    figure.supxlabel("offset from the centre, pixels", fontsize=9)
    return figure


def mass(result: NetResult) -> Figure:
    """Mass ratio against window size of the frequency net before and after training, layer by layer."""
    layers = list(zip(result.before.layers, result.after.layers, strict=True))
    figure = Figure(figsize=(max(4.5 * len(layers), 9), 3.6), layout="constrained")
    grid = figure.subplots(1, len(layers), squeeze=False, sharey=True)
    for index, (axes, (before, after)) in enumerate(zip(grid.flat, layers, strict=True)):
        _mass_curve(axes, before, COLORS["3x3"], "before training")
        _mass_curve(axes, after, COLORS["frequency"], "after training")
        flat = [min(k / CANVAS, 1) ** 2 for k in after.windows]
        axes.plot(after.windows, flat, color=_GREY, linestyle=":", linewidth=1.2, label="a flat kernel")
        axes.set(xlabel="window side, pixels", xlim=(0, CANVAS + 1), ylim=(0, 1.03))
        axes.set_title(f"depthwise layer {index + 1} of {len(layers)}", fontsize=10)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("share of the kernel's mass inside")
    grid[0, 0].legend(frameon=False, loc="upper left", fontsize=9)
    return figure


def _kernel_row(line: Sequence[Axes], layer: LayerFootprint) -> None:
    half = CANVAS // 2
    shown = strongest(layer, len(line))
    for axes, kernel in zip(line, shown, strict=False):
        # A single large tap would leave the rest of a large kernel white.
        limit = kernel.abs().quantile(COLOUR_QUANTILE).item()
        draw_kernel(axes, kernel.clamp(-limit, limit))
    for axes in line:
        axes.set(xlim=(-half - 0.5, half - 0.5), ylim=(half - 0.5, -half - 0.5), aspect="equal")
        axes.set(xticks=(-half, 0, half - 1), yticks=(-half, 0, half - 1))
        axes.tick_params(labelsize=7, length=2)
    for axes in line[len(shown) :]:
        axes.set_visible(False)


def _mass_curve(axes: Axes, layer: LayerFootprint, color: str, label: str) -> None:
    quantiles = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    low, median, high = layer.mass_ratio.flatten(0, 1).nanquantile(quantiles, dim=0)
    axes.plot(layer.windows, median, color=color, linewidth=2, label=label)
    axes.fill_between(layer.windows, low, high, color=color, alpha=0.18, linewidth=0)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
