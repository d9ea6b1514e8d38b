"""Canvases: small images placed on a large one."""

from __future__ import annotations

import torch
from torch import Tensor


def compose(images: Tensor, corners: Tensor, size: int) -> Tensor:
    """Places images on each canvas; where they overlap, the brighter one is seen.

    Args:
        images: `(n, k, height, width)` in [0, 1], k images for each canvas.
        corners: `(n, k, 2)`, row and column of the upper left pixels.
        size: height and width of a canvas.

    Returns:
        `(n, 1, size, size)`. The canvas wraps around.
    """
    n, k, height, width = images.shape
    canvases = torch.zeros(n, size, size)
    canvas = torch.arange(n).view(n, 1, 1)
    for place in range(k):
        rows = (corners[:, place, :1] + torch.arange(height)) % size
        columns = (corners[:, place, 1:] + torch.arange(width)) % size
        where = canvas, rows.unsqueeze(2), columns.unsqueeze(1)
        canvases[where] = torch.maximum(canvases[where], images[:, place])
    return canvases.unsqueeze(1)
