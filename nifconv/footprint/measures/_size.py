"""How large a kernel really is: shares within centred windows, exact for every size, and distance profiles.

All take taps `(out_channels, in_channels, *size)` in the layout of a conv weight, with the centre at index
`size // 2`, and work on all kernels at once, in float64.

Windows are those of `footprint.windows`.

A kernel that is zero everywhere, or holds a weight that is not finite, has no extent: its measures are NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nifconv._support.arguments import real_floating, unit_share
from nifconv.frequency import offsets
from nifconv.spectral import ring_sums, window_sums


def mass_ratio(taps: Tensor) -> Tensor:
    """Share of the absolute weight within each window, sum_{n in window} |w[n]| / sum_n |w[n]|.

    Returns:
        float64, `(out_channels, in_channels, len(windows(size)))`, rising to 1. A delta at the centre scores 1
        everywhere. Source: the measure of Grabinski, Keuper & Keuper 2024, sec. 4, with exact windows.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    return _share_within(taps, torch.abs)


def energy_ratio(taps: Tensor) -> Tensor:
    """Share of the squared weight within each window, sum_{n in window} w[n]^2 / sum_n w[n]^2.

    The share of the output variance under white input that remains if the kernel is cut to the window.

    Returns:
        As `mass_ratio`.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    return _share_within(taps, torch.square)


def effective_size(taps: Tensor, share: float = 0.9, *, ratio: Callable[[Tensor], Tensor] = mass_ratio) -> Tensor:
    """Side of the smallest centred window that holds at least `share` of a kernel, in pixels.

    Args:
        taps: real, `(out_channels, in_channels, *size)`.
        share: above 0, at most 1.
        ratio: `mass_ratio` or `energy_ratio`.

    Returns:
        float64, `(out_channels, in_channels)`, odd whole numbers.

    Raises:
        TypeError: `taps` are not real and floating, or `share` is not a number.
        ValueError: `share` is out of range, or the taps have no spatial axis.
    """
    return smallest_window(ratio(taps), unit_share(share))


def smallest_window(shares: Tensor, share: float) -> Tensor:
    """Side of the first window whose share is at least `share`, NaN where there is none, from `(..., windows)`."""
    # A window that holds exactly `share` counts, whichever way the last bit of its sum was rounded. Sides are 1, 3,
    # 5, ..: with k windows too small, the next one is 2 k + 1.
    side = 2.0 * (shares < share * (1 - 1e-12)).sum(-1).double() + 1
    return torch.where(shares[..., -1].isnan(), torch.nan, side)


def radial_profile(taps: Tensor) -> Tensor:
    """Mean absolute weight at each distance from the centre, relative to the kernel's mean: flat kernels score 1.

    p[r] = (sum_{n in ring r} |w[n]| / ring pixels) / (sum_n |w[n]| / pixels), over the rings round(|n|) = r for
    r = 0, 1, 2, ... pixels, half pixels rounded to even. Independent of the scale of the weights.

    Returns:
        float64, `(out_channels, in_channels, rings)`; the last ring is the corner that is farthest from the centre.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    weight = as_kernels(taps).abs()
    ring = offsets(taps.shape[2:], device=taps.device).norm(dim=-1).round().long().flatten()  # (pixels,)
    within, count = ring_sums(weight, ring)  # (out, in, rings), (rings,)
    mean = within / count
    return torch.where(count > 0, mean, torch.nan) / weight.flatten(2).mean(-1, keepdim=True)


def as_kernels(taps: Tensor) -> Tensor:
    """The taps in float64, detached.

    Raises:
        TypeError: `taps` are not real and floating, so shares of them have no meaning.
        ValueError: they have no spatial axis to measure along.
    """
    real_floating("taps", taps)
    if taps.dim() < 3:
        raise ValueError(
            f"taps have the shape {tuple(taps.shape)}, but need (out_channels, in_channels, *size) with 1 spatial axis "
            "or more; add axes with taps[None, None]"
        )
    return taps.detach().double()


def _share_within(taps: Tensor, weigh: Callable[[Tensor], Tensor]) -> Tensor:
    within = window_sums(weigh(as_kernels(taps)))  # (out, in, windows)
    return within / within[..., -1:]  # the last window holds the whole kernel, so that shares end at exactly 1
