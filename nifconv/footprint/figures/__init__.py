"""Figures of a survey, and what they share with other figures of kernels; drawing needs matplotlib."""

from nifconv.footprint.figures._galleries import draw_kernel
from nifconv.footprint.figures._style import COLORS, strongest, tidy

__all__ = ["COLORS", "draw_kernel", "strongest", "tidy"]
