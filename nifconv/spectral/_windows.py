"""Centred windows of a kernel, and sums within them.

Windows have odd sides k = 1, 3, 5, ... The last one holds the whole map; on an even axis that is k = S + 1, since
S // 2 pixels lie before the centre and one fewer after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nifconv._support.arguments import map_size
from nifconv.frequency import offsets

_LARGEST_SELECTION = 2**22  # entries of the matrix that selects the taps of each ring


def windows(size: Sequence[int]) -> tuple[int, ...]:
    """The window sides of a map of `size`, in pixels: `(4, 6) -> (1, 3, 5, 7)`.

    Raises:
        TypeError: `size` is not a sequence of integers.
        ValueError: it is empty, or an axis has no pixels.
    """
    return tuple(range(1, 2 * (max(map_size("size", size)) // 2) + 2, 2))


def window_sums(weight: Tensor) -> Tensor:
    """Sum over the taps within each window: `(out, in, *size) -> (out, in, len(windows(size)))`."""
    # The ring of a tap is its distance from the centre in the maximum norm: window 2 r + 1 holds the rings up to r.
    ring = offsets(weight.shape[2:], device=weight.device).abs().amax(-1).long().flatten()
    return ring_sums(weight, ring)[0].cumsum(-1)


def ring_sums(weight: Tensor, ring: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over the taps of each ring, `(out, in, rings)`, and how many taps there are in it, `(rings,)`.

    Args:
        weight: `(out, in, *size)`.
        ring: number of the ring that each tap lies in, row by row.
    """
    count = torch.bincount(ring)
    flat = weight.flatten(2)
    # A product with a matrix of zeros and ones is several times faster than index_add, as long as the matrix is small.
    if len(ring) * len(count) <= _LARGEST_SELECTION:
        return flat @ nn.functional.one_hot(ring).to(weight.dtype), count
    return flat.new_zeros(*flat.shape[:2], len(count)).index_add(2, ring, flat), count
