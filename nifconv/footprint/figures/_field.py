"""The figure of an effective receptive field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn.functional import interpolate

from nifconv._support.arguments import real_floating
from nifconv.footprint.figures._style import COLORS, blank, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy import ndarray

_DECADES = 4  # smaller contributions all have the darkest colour


def contribution_map(
    contribution: Tensor, squares: Mapping[float, float], name: str, image: Tensor | None = None
) -> Figure:
    """Contributions relative to the largest, over four decades, and the squares that hold given shares of them.

    Args:
        contribution: share of each input pixel, `(*size)`.
        squares: one or two squares: their sides in pixels by the share that lies within.
        name: title of the figure.
        image: what to draw a field of two axes over, `(channels, rows, columns)`.

    Raises:
        TypeError: `image` is not a real floating tensor.
        ValueError: the input has three spatial axes, or `image` has another number of axes.
        ImportError: matplotlib is not installed.
    """
    share = contribution / contribution.max()
    if share.dim() > 2:
        raise ValueError(
            f"a contribution of shape {tuple(share.shape)} cannot be drawn, only 1 or 2 axes can; use `side` and `area`"
        )
    figure = blank(5.4, 4.4 if share.dim() == 2 else 3.2)  # first, since without matplotlib it says what to install
    axes = figure.subplots()
    if share.dim() == 1:
        _draw_line(axes, share)
    else:
        _draw_map(axes, share, image)
    _draw_squares(axes, squares, share.dim())
    columns = share.shape[-1]
    axes.set(xlim=(-(columns // 2) - 0.5, (columns - 1) // 2 + 0.5), xlabel="offset from the centre, pixels")
    axes.set_title(name, fontsize=9)
    return figure


def _draw_line(axes: Axes, share: Tensor) -> None:
    first = -(len(share) // 2)
    axes.semilogy(range(first, first + len(share)), share.numpy(), color="black", linewidth=1)
    axes.set(ylim=(10.0**-_DECADES, 1.5), ylabel="contribution / largest")
    tidy(axes)


def _draw_map(axes: Axes, share: Tensor, image: Tensor | None) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    rows, columns = share.shape
    # Outer edges of the first and the last pixel; the first row is at the top.
    extent = (-(columns // 2) - 0.5, (columns - 1) // 2 + 0.5, (rows - 1) // 2 + 0.5, -(rows // 2) - 0.5)
    norm = LogNorm(10.0**-_DECADES, 1.0)
    shown = share.clamp_min(10.0**-_DECADES)  # 0 has no logarithm and would be a hole
    options: dict[str, Any] = {"extent": extent, "interpolation": "nearest"}
    if image is not None:
        axes.imshow(_grey(image, share.shape), cmap="gray", **options)  # only the field has colours
        # From 0, where the image is seen as it is, to nearly opaque where most of the contribution comes from.
        options["alpha"] = 0.85 * (1 + shown.log10() / _DECADES).numpy()
    axes.imshow(shown.numpy(), cmap="viridis", norm=norm, **options)
    # Of a mappable of its own: that of the map would be as transparent as its pixels.
    axes.figure.colorbar(ScalarMappable(norm, "viridis"), ax=axes, label="contribution / largest", extend="min")
    axes.set_ylabel("offset from the centre, pixels")


def _draw_squares(axes: Axes, squares: Mapping[float, float], ndim: int) -> None:
    from matplotlib.patches import Rectangle

    for (level, side), color in zip(squares.items(), ("white", COLORS[1]), strict=False):
        text = f"{100 * level:.0f} % within {side:.0f}"
        if ndim == 1:
            axes.axvspan(-side / 2, side / 2, color=color if color != "white" else COLORS[0], alpha=0.15, label=text)
        elif side == side:  # not NaN: something contributes
            square = Rectangle((-side / 2, -side / 2), side, side, fill=False, color=color, linewidth=1.6, label=text)
            axes.add_patch(square)
    if axes.get_legend_handles_labels()[0]:
        # A white square needs a dark background in the legend, as on the map.
        dark = {"facecolor": "0.35", "labelcolor": "white"} if ndim > 1 else {}
        legend = axes.legend(fontsize=8, loc="upper right", framealpha=0.9, **dark)
        legend.get_frame().set_linewidth(0)


def _grey(image: Tensor, size: Sequence[int]) -> ndarray:
    """The mean of an image `(channels, rows, columns)` over its channels, at another size."""
    if real_floating("image", image).dim() != 3 or 0 in image.shape:
        raise ValueError(f"image has the shape {tuple(image.shape)}, but needs (channels, rows, columns), none empty")
    values = image.detach().cpu().float().mean(0)[None, None]  # (1, 1, rows, columns)
    return interpolate(values, size=tuple(size), mode="bilinear")[0, 0].numpy()
