"""Curves of one survey or several: how mass gathers around the centre, and how size changes with depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nifconv._support.text import by_size
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint.figures._style import COLORS, NULL_COLOR, new_figure, tidy, title
from nifconv.footprint.measures._statistics import quantiles
from nifconv.footprint.measures._table import BY_NAME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Surveyed = Mapping[str, Sequence[LayerFootprint]]
"""The layers of one survey or of several, by the name of the survey."""

MOST_PANELS = 24  # as many as a page of a report can hold
_COLUMNS = 4


def mass_curves(surveys: Surveyed) -> Figure:
    """Mass ratio against window side: median over the kernels, band from 10 to 90 %.

    There is a panel for each stage and kernel size. The null distribution, if the survey has one, is dashed.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """
    panels = list(dict.fromkeys(_panel_of(layer) for layers in surveys.values() for layer in layers))
    shown = panels[:MOST_PANELS]
    rows = math.ceil(len(shown) / _COLUMNS)
    columns = math.ceil(len(shown) / max(rows, 1))  # balanced: five panels are 3 + 2, not 4 + 1
    # A single panel must be as wide as the legend above it, which has a line for each survey.
    figure = new_figure(panels, width=max(3.1 * columns, 6.5), height=2.5 * rows + 0.6 + 0.2 * len(surveys))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(shown) :]:  # the last row may not be full
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, shown, strict=False):
        _mass_panel(axes, panel, surveys)
    for line in grid:
        line[0].set_ylabel("share of the mass inside", fontsize=9)
    # One legend for all panels; a survey may be missing in the first and appear in a later one.
    entries: dict[str, Any] = {}
    for axes in grid.flat[: len(shown)]:
        handles, labels = axes.get_legend_handles_labels()
        entries.update(dict(zip(labels, handles, strict=True)))
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2, fontsize=9, frameon=False)
    cut = f"  ({len(shown)} of {len(panels)} panels)" if len(panels) > len(shown) else ""
    figure.supxlabel(f"side of the centred window, pixels{cut}", fontsize=9)
    return figure


def size_by_depth(surveys: Surveyed, measure: str = "size90") -> Figure:
    """A measure of each layer in the order of the layers: median over its kernels, bars from 10 to 90 %.

    The null distribution, if the survey has one, is grey, and the size of the map is a dotted step line.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """
    count = max((len(layers) for layers in surveys.values()), default=0)
    figure = new_figure(range(count), width=min(max(0.24 * count + 3, 7.5), 16), height=4.0 + 0.2 * len(surveys))
    axes = figure.subplots()
    in_pixels = BY_NAME[measure].unit == "px"
    for index, (name, layers) in enumerate(surveys.items()):
        shift = 0.18 * (index - (len(surveys) - 1) / 2)  # surveys side by side, centred on the layer
        _depth_line(axes, layers, measure, COLORS[index % len(COLORS)], name, shift)
        if in_pixels and index == 0:  # the maps of the first survey stand for all
            maps = [max(layer.map_size) for layer in layers]
            places = range(len(layers))
            axes.step(places, maps, where="mid", color="black", linewidth=0.8, linestyle=":", label="size of the map")
    first = next(iter(surveys.values()))
    changes = [i for i, layer in enumerate(first) if i == 0 or layer.stage != first[i - 1].stage]
    if len(changes) <= MOST_PANELS:  # more names would overlap
        axes.set_xticks(changes, [title(first[i].stage or first[i].kind) for i in changes], rotation=35, ha="right")
        for place in changes[1:]:
            axes.axvline(place - 0.5, color="0.85", linewidth=0.8, zorder=0)
    if in_pixels:
        axes.set_yscale("log", base=2)  # maps halve from stage to stage: steps of equal height
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set(ylabel=f"{BY_NAME[measure].label}{', pixels' if in_pixels else ''}", xlabel="layer, from first to last")
    axes.set_xlim(-0.8, count - 0.2)
    tidy(axes)
    figure.legend(loc="outside upper center", ncols=3 if len(surveys) == 1 else 2, fontsize=9, frameon=False)
    return figure


def _panel_of(layer: LayerFootprint) -> tuple[str, tuple[int, ...]]:
    return layer.stage, tuple(layer.taps.shape[2:])  # windows of 3 x 3 kernels have nothing in common with global ones


def _mass_panel(axes: Axes, panel: tuple[str, tuple[int, ...]], surveys: Surveyed) -> None:
    for index, (name, layers) in enumerate(surveys.items()):
        members = [layer for layer in layers if _panel_of(layer) == panel]
        if not members:
            continue
        sides, color = members[0].windows, COLORS[index % len(COLORS)]
        if any(layer.null for layer in members):
            null_color = NULL_COLOR if len(surveys) == 1 else color  # several would be indistinguishable in grey
            low, median, high = _pooled_null(members)
            axes.fill_between(sides, low, high, color=null_color, alpha=0.28, linewidth=0)
            axes.plot(
                sides, median, color=null_color, linewidth=1.4, linestyle="--", label=f"null distribution{_of(name)}"
            )
        low, median, high = quantiles(torch.cat([layer.mass_ratio.flatten(0, 1) for layer in members]))  # (3, windows)
        axes.fill_between(sides, low, high, color=color, alpha=0.22, linewidth=0)
        axes.plot(sides, median, color=color, linewidth=1.8, label=_label(name), marker="o", markersize=2.5)
    stage, size = panel
    axes.set_title(f"{title(stage) or 'model'}, kernels of {by_size(size)}", fontsize=9)
    axes.set(ylim=(0, 1.03), xlim=(0, max(size) + 2))
    step = max(2 * round(max(size) / 10), 2)  # about five ticks, on odd sides like the windows
    axes.set_xticks(range(1, max(size) + 2, step))
    axes.tick_params(labelsize=8)
    tidy(axes)


def _pooled_null(layers: Sequence[LayerFootprint]) -> Tensor:
    """Mean of the null bands of layers of one kernel size, `(3, windows)`, weighted by their number of kernels."""
    drawn = [(layer.null.mass_band, layer.kernels) for layer in layers if layer.null]
    total = sum(kernels for _, kernels in drawn)
    return torch.stack([band * (kernels / total) for band, kernels in drawn]).sum(0)


def _depth_line(
    axes: Axes, layers: Sequence[LayerFootprint], measure: str, color: str, name: str, shift: float
) -> None:
    spread = torch.cat([quantiles(layer.values(measure)[:, None]) for layer in layers], dim=1)  # (3, layers)
    places = (torch.arange(len(layers)) + shift).tolist()
    drawn = [(place, layer.null.statistics[measure]) for place, layer in zip(places, layers, strict=True) if layer.null]
    if drawn:
        # Over copies, each with one median; the bars of the layer itself are over its kernels.
        ranges = torch.cat([quantiles(values[:, None], (0.05, 0.5, 0.95)) for _, values in drawn], dim=1)
        at = [place for place, _ in drawn]
        errors = [(ranges[1] - ranges[0]).tolist(), (ranges[2] - ranges[1]).tolist()]  # below and above the point
        options = {
            "fmt": "_",
            "markersize": 13,
            "color": color if name else NULL_COLOR,
            "elinewidth": 5,
            "alpha": 0.35 if name else 0.7,
        }
        label = f"null distribution{_of(name)}, 5 to 95 %"
        axes.errorbar(at, ranges[1].tolist(), yerr=errors, label=label, **options)  # type: ignore[arg-type]
    errors = [(spread[1] - spread[0]).tolist(), (spread[2] - spread[1]).tolist()]
    axes.errorbar(
        places, spread[1].tolist(), yerr=errors, fmt="o", markersize=4, color=color, elinewidth=1, label=_label(name)
    )


def _label(name: str) -> str:
    return title(name) or "this model"


def _of(name: str) -> str:
    return f" of {title(name)}" if name else ""
