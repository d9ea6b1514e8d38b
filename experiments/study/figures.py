"""Colours and output that all figures share."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
"""Okabe and Ito's colours, which colour-blind readers can tell apart, the strongest first."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def tidy(axes: Axes) -> None:
    """A light grid, and a frame on two sides only."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def to_png(figure: Figure) -> bytes:
    """The picture as a file, the same bytes for the same data."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
