"""Cutting kernels to the window that matters."""

from __future__ import annotations

import torch
from torch import Tensor

from nifconv.frequency import resize_taps
from nifconv.spectral import window_sums


def beyond(taps: Tensor, pointwise: Tensor | None, groups: int) -> Tensor:
    """How much of a layer lies outside each window, in the norm of `operator_norm`, relative to the whole layer.

    Returns:
        float64, `(len(windows(size)),)`, falling to 0.
    """
    masses = taps.double().abs()
    outside = window_sums(masses)
    outside = outside[..., -1:] - outside
    # Exact zeros beyond the last tap that counts are no rounding error of the sum.
    outside[..., _last_ring(masses) :] = 0
    return operator_norm(outside, pointwise, groups) / operator_norm(
        masses.flatten(2).sum(-1, keepdim=True), pointwise, groups
    ).clamp_min(torch.finfo(torch.float64).tiny)


def operator_norm(masses: Tensor, pointwise: Tensor | None, groups: int) -> Tensor:
    """Norm of a layer from maps to maps, both measured by their largest value, from the absolute sums of its kernels.

    max over o of sum_i sum_n |w[o, i, n]|: no input between -1 and 1 gives a larger output. With a 1x1 convolution P
    behind, sum_k |P[o, k]| sum_i sum_n |w[k, i, n]|, an upper bound, and exact if each channel has one kernel.

    Args:
        masses: sum_n |w|, `(out, in_per_group, columns)`.
        pointwise: weight of the 1x1 convolution, or None.
        groups: of the 1x1 convolution.
    """
    total = masses.sum(1)
    if pointwise is not None:
        weight = pointwise.detach().flatten(1).double().abs().unflatten(0, (groups, -1))
        total = torch.einsum("gok,gkc->goc", weight, total.unflatten(0, (groups, -1))).flatten(0, 1)
    return total.amax(0)


def crop(taps: Tensor, window: int) -> Tensor:
    """Taps cut to a centred window of odd side, and to no more than each axis has."""
    return resize_taps(taps, tuple(min(window, 2 * (n // 2) + 1) for n in taps.shape[2:]))


def _last_ring(masses: Tensor) -> int:
    used = window_sums(masses.amax((0, 1), keepdim=True)).flatten().diff(prepend=masses.new_zeros(1)) > 0
    return int(used.nonzero().max()) if used.any() else 0
