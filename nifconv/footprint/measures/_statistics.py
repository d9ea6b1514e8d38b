"""Statistics over the kernels of a layer."""

from __future__ import annotations

import torch
from torch import Tensor

BAND = (0.1, 0.5, 0.9)  # the quantiles over the kernels of a layer that tables and figures show


def quantiles(values: Tensor, at: tuple[float, ...] = BAND) -> Tensor:
    """Quantiles over the first axis, linear between order statistics; rows that contain NaN are left out.

    Args:
        values: `(kernels, n)`.
        at: shares between 0 and 1.

    Returns:
        `(len(at), n)`, NaN if no row is left.
    """
    # Not torch.nanquantile, which refuses more than 16 million values: the ratios of a dense layer have more.
    ordered = values[~values.isnan().any(-1)].sort(0).values
    if len(ordered) == 0:
        return values.new_full((len(at), values.shape[1]), torch.nan)
    place = values.new_tensor(at) * (len(ordered) - 1)  # (len(at),), between two rows
    below, above = place.floor().long(), place.ceil().long()
    return torch.lerp(ordered[below], ordered[above], (place - below).unsqueeze(-1))
