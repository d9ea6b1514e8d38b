"""The picture of an effective receptive field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nifconv.footprint.figures._style import COLORS, blank, clean, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nifconv.footprint._receptive_field import ReceptiveField

_DECADES = 4


def contribution_map(field: ReceptiveField) -> Figure:
    """Contributions relative to the largest, over four decades, and the squares that hold 50 and 99 % of them.

    Raises:
        ValueError: the input has three spatial axes.
        ImportError: matplotlib is not installed.
    """
    share = field.contribution / field.contribution.max()
    if share.dim() > 2:
        raise ValueError(f"a field of size {tuple(share.shape)} has 3 axes and no picture; use `side` and `area`")
    figure = blank(5.4, 4.4 if share.dim() == 2 else 3.2)
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Rectangle

    axes = figure.subplots()
    shape = share.shape
    left, right = -(shape[-1] // 2) - 0.5, (shape[-1] - 1) // 2 + 0.5
    if share.dim() == 1:
        axes.semilogy([int(left + 0.5) + i for i in range(shape[0])], share.numpy(), color="black", linewidth=1)
        axes.set(ylim=(10.0**-_DECADES, 1.5), ylabel="contribution / largest")
        clean(axes)
    else:
        extent = (left, right, (shape[0] - 1) // 2 + 0.5, -(shape[0] // 2) - 0.5)
        norm = LogNorm(10.0**-_DECADES, 1.0)
        shown = share.clamp_min(10.0**-_DECADES).numpy()
        image = axes.imshow(shown, cmap="viridis", norm=norm, extent=extent, interpolation="nearest")
        figure.colorbar(image, ax=axes, label="contribution / largest", extend="min")
        axes.set_ylabel("offset from the centre, pixels")
    for level, color in ((0.5, "white"), (0.99, COLORS[1])):
        side = field.side(level)
        text = f"{100 * level:.0f} % within {side:.0f}"
        if share.dim() == 1:
            axes.axvspan(-side / 2, side / 2, color=color if color != "white" else COLORS[0], alpha=0.15, label=text)
        elif side == side:
            square = Rectangle((-side / 2, -side / 2), side, side, fill=False, color=color, linewidth=1.6, label=text)
            axes.add_patch(square)
    axes.set(xlim=(left, right), xlabel="offset from the centre, pixels")
    axes.set_title(f"{short(field.layer) or 'output'}, inputs: {field.inputs}", fontsize=9)
    if axes.get_legend_handles_labels()[0]:
        # A white square needs a dark ground in the legend as on the map.
        dark = {"facecolor": "0.35", "labelcolor": "white"} if share.dim() > 1 else {}
        legend = axes.legend(fontsize=8, loc="upper right", framealpha=0.9, **dark)
        legend.get_frame().set_linewidth(0)
    return figure
