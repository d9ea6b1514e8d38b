"""The mass of a layer outside a window of its kernels, and truncation of kernels to a window."""

from __future__ import annotations

import torch
from torch import Tensor

from nifconv.frequency import resize_taps
from nifconv.layers import Composition
from nifconv.spectral import window_sums


def mass_outside(way: Composition) -> Tensor:
    """`operator_norm` of the taps outside each window, relative to that of all taps.

    Returns:
        float64, `(len(windows(size)),)`, falling to 0.
    """
    masses = way.taps.double().abs()
    within = window_sums(masses)  # (out, in_per_group, windows)
    outside = within[..., -1:] - within
    # A difference of sums leaves a rounding error where there are only zeros; exact zeros have to count as zero.
    outside[..., _last_ring(masses) :] = 0
    whole = operator_norm(masses.flatten(2).sum(-1, keepdim=True), way)
    return operator_norm(outside, way) / whole.clamp_min(torch.finfo(torch.float64).tiny)


def operator_norm(masses: Tensor, way: Composition) -> Tensor:
    """Norm of a layer from maps to maps, both measured by their largest value, from the absolute sums of its kernels.

    max over o of sum_i sum_n |w[o, i, n]|: no input between -1 and 1 gives a larger output. With a 1x1 convolution P
    after it, sum_k |P[o, k]| sum_i sum_n |w[k, i, n]|, an upper bound, and exact if each channel has one kernel.

    Args:
        masses: sum_n |w|, `(out, in_per_group, columns)`.
        way: the composition they belong to, for its 1x1 convolution.

    Returns:
        `(columns,)`.
    """
    total = masses.sum(1)  # (channels, columns)
    if way.pointwise is not None:
        groups = way.pointwise_groups
        # (groups, out_per_group, channels_per_group) times (groups, channels_per_group, columns)
        weight = way.pointwise.detach().flatten(1).double().abs().unflatten(0, (groups, -1))
        total = torch.einsum("gok,gkc->goc", weight, total.unflatten(0, (groups, -1))).flatten(0, 1)
    return total.amax(0)


def crop(taps: Tensor, window: int) -> Tensor:
    """Taps truncated to a centred window of odd side, or on a shorter axis to the smallest odd side that holds it."""
    return resize_taps(taps, tuple(min(window, 2 * (n // 2) + 1) for n in taps.shape[2:]))


def _last_ring(masses: Tensor) -> int:
    """Index of the smallest window that holds every tap that is not zero."""
    used = window_sums(masses.amax((0, 1), keepdim=True)).flatten().diff(prepend=masses.new_zeros(1)) > 0
    return int(used.nonzero().max()) if used.any() else 0
