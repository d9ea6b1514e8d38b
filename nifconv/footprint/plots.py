"""Figures of a survey. Colours are safe for colour-blind readers; sizes are in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nifconv.footprint.layer import LayerFootprint

_COLUMNS = 8


def mass_curves(layers: Sequence[LayerFootprint]) -> Figure:
    """Mass ratio against window size, one curve per layer: median over its kernels, band from 10 to 90 %.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """
    figure = _figure(layers, width=7.5, height=4.2)
    axes = figure.subplots()
    colors = _colors(len(layers))
    for layer, color in zip(layers, colors, strict=True):
        low, median, high = layer.mass_ratio.flatten(0, 1).nanquantile(torch.tensor([0.1, 0.5, 0.9]).double(), dim=0)
        axes.plot(layer.windows, median, color=color, label=layer.name or layer.kind)
        axes.fill_between(layer.windows, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set(xlabel="window side k, pixels", ylabel="mass ratio within k x k", ylim=(0, 1.03))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    if len(layers) <= 12:
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    else:
        _depth_bar(figure, axes, len(layers))
    return figure


def kernel_gallery(layers: Sequence[LayerFootprint]) -> Figure:
    """The kernels of largest energy of each layer, one layer a row; red is positive, blue negative, white zero.

    Each kernel has its own colour scale, symmetric about zero. Axes are offsets from the centre. 1-d kernels are drawn
    as curves, of 3-d kernels the slice through the centre of the first axis.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """
    figure = _figure(layers, width=1.25 * _COLUMNS + 1.6, height=1.45 * max(len(layers), 1) + 0.2)
    grid = figure.subplots(len(layers), _COLUMNS, squeeze=False)
    for row, layer in zip(grid, layers, strict=True):
        kernels = layer.taps.flatten(0, 1)
        strongest = kernels.flatten(1).norm(dim=1).argsort(descending=True)[:_COLUMNS]
        for axes in row[len(strongest) :]:
            axes.set_axis_off()
        for column, (axes, kernel) in enumerate(zip(row, kernels[strongest], strict=False)):
            draw_kernel(axes, kernel)
            if column > 0:
                axes.tick_params(labelleft=False)
        name = layer.name or layer.kind
        row[0].set_ylabel(f"{name}\n{'x'.join(map(str, layer.taps.shape[2:]))}", fontsize="x-small")
    return figure


def draw_kernel(axes: Axes, kernel: Tensor) -> None:
    """Draws one kernel `(*size)` with offsets from its centre, in pixels, along the axes."""
    if kernel.dim() == 3:
        kernel = kernel[kernel.shape[0] // 2]
    limit = kernel.abs().max().item() or 1.0
    first, last = -(kernel.shape[-1] // 2), kernel.shape[-1] - kernel.shape[-1] // 2 - 1
    if kernel.dim() == 1:
        axes.plot(range(first, last + 1), kernel.numpy(), color="black", linewidth=1)
        axes.axhline(0, color="0.7", linewidth=0.5)
        axes.set_ylim(-1.1 * limit, 1.1 * limit)
        axes.tick_params(labelleft=False)
    else:
        top, bottom = -(kernel.shape[0] // 2), kernel.shape[0] - kernel.shape[0] // 2 - 1
        extent = (first - 0.5, last + 0.5, bottom + 0.5, top - 0.5)
        axes.imshow(kernel.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent, interpolation="nearest")
        axes.set_yticks(sorted({top, 0, bottom}))
    axes.set_xticks(sorted({first, 0, last}))
    axes.tick_params(labelsize="xx-small", length=2, pad=1)


def _figure(layers: Sequence[LayerFootprint], *, width: float, height: float) -> Figure:
    if not layers:
        raise ValueError("the survey has no layer to draw: the model ran no spatial convolution on the example input")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib; install it with: pip install 'nifconv[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def _colors(count: int) -> list[tuple[float, float, float, float]]:
    """From the first layer, dark, to the last, light but still readable on white."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * i / max(count - 1, 1)) for i in range(count)]


def _depth_bar(figure: Figure, axes: Axes, count: int) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    scale = ScalarMappable(Normalize(1, count), ListedColormap(_colors(count)))
    figure.colorbar(scale, ax=axes, label="layer, from first to last")
