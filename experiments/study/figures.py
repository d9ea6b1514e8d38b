"""Markers and output that all figures of the studies share; the palette is that of the footprints."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from nifconv.footprint.figures import COLORS as PALETTE
from nifconv.footprint.figures import tidy

__all__ = ["MARKERS", "PALETTE", "tidy", "to_png"]

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def to_png(figure: Figure) -> bytes:
    """The picture as a file, the same bytes for the same data."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
