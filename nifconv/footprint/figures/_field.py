"""The figure of an effective receptive field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from nifconv.footprint.figures._style import COLORS, blank, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DECADES = 4  # smaller contributions all have the darkest colour


def contribution_map(contribution: Tensor, squares: Mapping[float, float], name: str) -> Figure:
    """Contributions relative to the largest, over four decades, and the squares that hold given shares of them.

    Args:
        contribution: share of each input pixel, `(*size)`.
        squares: one or two squares: their sides in pixels by the share that lies within.
        name: title of the figure.

    Raises:
        ValueError: the input has three spatial axes.
        ImportError: matplotlib is not installed.
    """
    share = contribution / contribution.max()
    if share.dim() > 2:
        raise ValueError(
            f"a contribution of shape {tuple(share.shape)} cannot be drawn, only 1 or 2 axes can; use `side` and `area`"
        )
    figure = blank(5.4, 4.4 if share.dim() == 2 else 3.2)  # first, since it says what to install
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Rectangle

    axes = figure.subplots()
    shape = share.shape
    left, right = -(shape[-1] // 2) - 0.5, (shape[-1] - 1) // 2 + 0.5  # outer edges of the first and last pixel
    if share.dim() == 1:
        axes.semilogy([int(left + 0.5) + i for i in range(shape[0])], share.numpy(), color="black", linewidth=1)
        axes.set(ylim=(10.0**-_DECADES, 1.5), ylabel="contribution / largest")
        tidy(axes)
    else:
        extent = (left, right, (shape[0] - 1) // 2 + 0.5, -(shape[0] // 2) - 0.5)  # the first row is at the top
        norm = LogNorm(10.0**-_DECADES, 1.0)
        shown = share.clamp_min(10.0**-_DECADES).numpy()  # 0 has no logarithm and would be a hole
        image = axes.imshow(shown, cmap="viridis", norm=norm, extent=extent, interpolation="nearest")
        figure.colorbar(image, ax=axes, label="contribution / largest", extend="min")
        axes.set_ylabel("offset from the centre, pixels")
    for (level, side), color in zip(squares.items(), ("white", COLORS[1]), strict=False):
        text = f"{100 * level:.0f} % within {side:.0f}"
        if share.dim() == 1:
            axes.axvspan(-side / 2, side / 2, color=color if color != "white" else COLORS[0], alpha=0.15, label=text)
        elif side == side:  # not NaN: something contributes
            square = Rectangle((-side / 2, -side / 2), side, side, fill=False, color=color, linewidth=1.6, label=text)
            axes.add_patch(square)
    axes.set(xlim=(left, right), xlabel="offset from the centre, pixels")
    axes.set_title(name, fontsize=9)
    if axes.get_legend_handles_labels()[0]:
        # A white square needs a dark background in the legend, as on the map.
        dark = {"facecolor": "0.35", "labelcolor": "white"} if share.dim() > 1 else {}
        legend = axes.legend(fontsize=8, loc="upper right", framealpha=0.9, **dark)
        legend.get_frame().set_linewidth(0)
    return figure
