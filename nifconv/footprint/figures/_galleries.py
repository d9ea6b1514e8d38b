"""Figures of kernels: at one scale, enlarged, the shapes they are made of, and where they vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from nifconv._support.text import by_size
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint.figures._style import COLOR_MAP, by_energy, color_limit, new_figure, plane, strongest, title
from nifconv.footprint.measures._ensemble import position_variance, principal_kernels
from nifconv.frequency import resize_taps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

COLUMNS = 8
MOST_ROWS = 12  # as many as a page of a report can hold
_STEEP = 20  # ratio of peak to mean above which a linear scale shows only the peak


def kernel_gallery(layers: Sequence[LayerFootprint]) -> Figure:
    """The kernels of largest energy of each layer, one layer per row, a pixel of the same size in all rows.

    Red is positive, blue negative, white zero; each kernel has its own scale, symmetric about zero, on which the
    largest weight has the full colour (in kernels of more than 225 taps, the largest 2 %). Axes are offsets from the
    centre in pixels. 1-d kernels are drawn as curves; 3-d kernels are cut through the centre of the first axis.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """
    rows = _few(layers)
    frame = max((max(layer.taps.shape[2:]) for layer in rows), default=1)  # of all rows, hence pixels of one size

    def draw(line: Sequence[Axes], layer: LayerFootprint) -> None:
        for axes, kernel in zip(line, strongest(layer, len(line)), strict=False):  # it may have fewer kernels
            draw_kernel(axes, kernel)
            _frame(axes, plane(kernel).dim(), frame // 2)

    return _rows_of(rows, draw)


def zoomed_gallery(layers: Sequence[LayerFootprint]) -> Figure:
    """As `kernel_gallery`, with each row enlarged to the window that holds 95 % of the mass of all its kernels.

    The largest weight is that of the window.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """
    return _rows_of(_few(layers), _draw_zoomed)


def principal_gallery(layers: Sequence[LayerFootprint]) -> Figure:
    """The principal kernels of each layer, strongest first, with the share of the layer's energy that each explains.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """

    def draw(line: Sequence[Axes], layer: LayerFootprint) -> None:
        shapes, explained = principal_kernels(layer.taps, len(line))
        for axes, shape, share in zip(line, shapes, explained, strict=False):
            draw_kernel(axes, shape)
            axes.set_title(f"{100 * share:.0f} %", fontsize=7, pad=2)

    return _rows_of(_few(layers), draw)


def variance_maps(layers: Sequence[LayerFootprint]) -> Figure:
    """Variance over the kernels of a layer at each position, relative to its mean: flat, or peaked at the centre.

    Raises:
        ValueError: there is no layer.
        ImportError: matplotlib is not installed.
    """
    rows = _few(layers)
    columns = min(len(rows), 4)
    lines = -(-len(rows) // max(columns, 1))  # rounded up; without layers, new_figure raises below
    figure = new_figure(rows, width=2.9 * max(columns, 1) + 0.4, height=2.6 * lines + 0.2)
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(rows) :]:
        axes.set_visible(False)
    for axes, layer in zip(grid.flat, rows, strict=False):
        variance = plane(position_variance(layer.taps))
        if variance.dim() == 1:
            first = -(len(variance) // 2)
            axes.plot(range(first, first + len(variance)), variance.numpy(), color="black", linewidth=1)
            axes.set_ylim(bottom=0)
        else:
            image = axes.imshow(
                variance.numpy(), cmap="viridis", norm=_variance_norm(variance), extent=_extent(variance)
            )
            # Each map has its own scale: what counts is whether it is flat.
            figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
            _pixel_ticks(axes, variance)
        axes.set_title(_name(layer, separator="  "), fontsize=8)
        axes.tick_params(labelsize=7, length=2)
    figure.supxlabel("offset from the centre, pixels; colour: variance / mean variance", fontsize=8)
    return figure


def draw_kernel(axes: Axes, kernel: Tensor, limit: float | None = None) -> None:
    """Draws one kernel `(*size)` with offsets from its centre, in pixels, along the axes.

    Args:
        axes: matplotlib axes to draw on.
        kernel: real, 1 to 3 axes.
        limit: the weight that has the full colour; by default the kernel's `color_limit`.
    """
    kernel = plane(kernel)
    if kernel.dim() == 1:
        top = kernel.abs().nan_to_num(0, posinf=0).max().item() or 1.0  # a kernel of zeros needs limits too
        first = -(len(kernel) // 2)
        axes.plot(range(first, first + len(kernel)), kernel.numpy(), color="black", linewidth=1)
        axes.axhline(0, color="0.7", linewidth=0.5)
        axes.set_ylim(-1.1 * top, 1.1 * top)
        axes.set_xticks(sorted({first, 0, first + len(kernel) - 1}))
        axes.tick_params(labelleft=False)
    else:
        limit = color_limit(kernel) if limit is None else limit
        options = {"cmap": COLOR_MAP, "interpolation": "nearest"}  # smoothing would show weights that are not there
        axes.imshow(kernel.numpy(), vmin=-limit, vmax=limit, extent=_extent(kernel), **options)  # type: ignore[arg-type]
        _pixel_ticks(axes, kernel)
    axes.tick_params(labelsize="xx-small", length=2, pad=1)


def _draw_zoomed(line: Sequence[Axes], layer: LayerFootprint) -> None:
    shown = strongest(layer, len(line))
    sizes = layer.values("size95").nan_to_num()[by_energy(layer)[: len(shown)]]  # of the kernels shown
    half = min(int(sizes.max()) // 2, max(shown.shape[1:]) // 2)  # a last window may be larger than an even kernel
    for axes, kernel in zip(line, shown, strict=False):
        seen = resize_taps(plane(kernel), [min(2 * half + 1, n) for n in plane(kernel).shape])
        # Of what is seen: 2 % of a kernel as large as the map may be most of its window.
        draw_kernel(axes, kernel, color_limit(seen))
        _frame(axes, seen.dim(), half)


def _variance_norm(variance: Tensor) -> Normalize:
    """Linear for a moderate peak; over three decades for a high one, which would leave everything else dark."""
    from matplotlib.colors import LogNorm, Normalize

    top = max(variance.nan_to_num().max().item(), 1.0)
    return LogNorm(top / 1000, top, clip=True) if top > _STEEP else Normalize(0, top)


def _few(layers: Sequence[LayerFootprint]) -> list[LayerFootprint]:
    """All layers if they fit on a page; otherwise the layer with the largest kernels of each stage, as many as fit."""
    if len(layers) <= MOST_ROWS:
        return list(layers)
    stages: dict[str, list[LayerFootprint]] = {}
    for layer in layers:
        stages.setdefault(layer.stage, []).append(layer)
    return [max(members, key=lambda layer: layer.taps[0, 0].numel()) for members in stages.values()][:MOST_ROWS]


def _rows_of(layers: Sequence[LayerFootprint], draw: Callable[[Sequence[Axes], LayerFootprint], None]) -> Figure:
    figure = new_figure(layers, width=1.2 * COLUMNS + 1.4, height=1.4 * len(layers) + 0.3)
    grid = figure.subplots(len(layers), COLUMNS, squeeze=False)
    for row, layer in zip(grid, layers, strict=True):
        draw(row, layer)
        for column, axes in enumerate(row):
            if not axes.has_data():  # the layer has fewer kernels than there are columns
                axes.set_axis_off()
            elif column > 0:
                axes.tick_params(labelleft=False, labelbottom=False)  # those of the first column apply
        row[0].set_ylabel(_name(layer), fontsize="x-small")
    figure.supxlabel("offset from the centre, pixels", fontsize=8)
    return figure


def _name(layer: LayerFootprint, separator: str = "\n") -> str:
    return f"{title(layer.name or layer.kind)}{separator}{by_size(layer.taps.shape[2:])}"


def _extent(image: Tensor) -> tuple[float, float, float, float]:
    rows, columns = image.shape
    # Left, right, bottom, top: the edges of the outer pixels, whose centres are whole offsets; rows run downwards.
    return (-(columns // 2) - 0.5, (columns - 1) // 2 + 0.5, (rows - 1) // 2 + 0.5, -(rows // 2) - 0.5)


def _pixel_ticks(axes: Axes, image: Tensor) -> None:
    rows, columns = image.shape
    # An even axis has one more pixel before the centre than after it; a set, since small kernels have equal ticks.
    axes.set_xticks(sorted({-(columns // 2), 0, (columns - 1) // 2}))
    axes.set_yticks(sorted({-(rows // 2), 0, (rows - 1) // 2}))


def _frame(axes: Axes, ndim: int, half: int) -> None:
    """Shows the window of side 2 * half + 1, whatever the size of the kernel in it."""
    ticks = sorted({-half, 0, half})
    axes.set_xlim(-half - 0.5, half + 0.5)
    axes.set_xticks(ticks)
    if ndim > 1:
        axes.set_ylim(half + 0.5, -half - 0.5)  # reversed, as imshow has it
        axes.set_yticks(ticks)
        axes.set_aspect("equal")
