r"""Traces of a spectrum that jumps: tails along the axes, with signs that alternate.

A jump of H(f) across a line of the frequency plane gives a tail that falls like 1 / n along the axis perpendicular to
it, whatever was learned. A jump at Nyquist, between f = 1/2 and f = -1/2, makes its signs alternate from tap to tap.

All measures look only at taps outside the centred window of 9 pixels; n is the offset from the centre.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nifconv.footprint.measures._size import as_kernels
from nifconv.frequency import offsets
from nifconv.spectral import ring_sums

_HALF_WINDOW = 4  # the window of 9 pixels: offsets up to 4 on every axis
_HALF_CROSS = 1  # axes 3 pixels wide: offsets up to 1 on every axis but one
# Inverse FFTs in float32 leave noise of at most this share of a compact kernel's mass, and noise is not a tail.
_ROUNDING = 1e-4


def cross_share(taps: Tensor) -> Tensor:
    """Share of the mass outside the centred window of 9 pixels that lies on the axes through the centre, 3 pixels wide.

    Returns:
        float64, `(out_channels, in_channels)`; NaN as for `cross_preference`.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    weight, outside, positions = _outside(taps)
    cross = _on_cross(positions)  # (pixels,)
    share = outside[..., cross].sum(-1) / outside.sum(-1)
    return share.masked_fill(_is_empty(outside, weight) | cross.all(), torch.nan)


def cross_preference(taps: Tensor) -> Tensor:
    """How much more mass lies on the axes, outside the centred window of 9 pixels, than their area explains.

    sum_{n in cross} |w[n]| / sum_r (cross pixels in ring r / pixels in ring r) sum_{n in ring r} |w[n]|, all counted
    outside the window. The cross consists of the lines along the axes through the centre, 3 pixels wide; the rings are
    those of `radial_profile`. 1 for white noise and for kernels that depend on distance alone, more for one that rings.

    Returns:
        float64, `(out_channels, in_channels)`; NaN for a kernel with less than 0.01 % of its mass outside the window or
        all of it farther away than the axes extend, and where the cross is all that lies outside, as in 1-d.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    weight, outside, positions = _outside(taps)
    cross = _on_cross(positions)
    if cross.all():
        return weight.new_full(weight.shape[:2], torch.nan)
    # Compared ring by ring, because all tails end: by area over the whole map a round Gaussian of 2.5 pixels would
    # score 5, nearly as much as a kernel that rings, since outside the window the axes come closest to the centre.
    ring = positions.norm(dim=-1).round().long()
    mass, pixels = ring_sums(outside, ring)  # (out, in, rings), (rings,)
    share = torch.bincount(ring[cross], minlength=len(pixels)) / pixels.clamp_min(1)  # inner rings have no pixel left
    preference = outside[..., cross].sum(-1) / (mass @ share.double())
    return preference.masked_fill(_is_empty(outside, weight), torch.nan)


def sign_alternation(taps: Tensor) -> Tensor:
    """Share of neighbouring taps with opposite signs, on the axes through the centre outside a window of 9 pixels.

    1/2 for white noise, near 0 for a smooth kernel, near 1 for a spectrum that jumps at Nyquist. Pairs with a zero,
    such as those of a dilated kernel, do not count.

    Returns:
        float64, `(out_channels, in_channels)`; NaN for a kernel without such a pair, or with less than 0.01 % of its
        mass outside the window.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    kernels = as_kernels(taps)
    # Line by line: the two ends of an axis, and two axes, are not neighbours.
    products = torch.cat([line[..., 1:] * line[..., :-1] for line in _far_lines(kernels)], dim=-1)
    share = (products < 0).sum(-1).double() / (products != 0).sum(-1)  # 0 / 0, without a pair, is NaN
    weight, outside, _ = _outside(taps)
    return share.masked_fill(_is_empty(outside, weight), torch.nan)


def _outside(taps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All absolute weights, those outside the window, `(out, in, pixels)`, and the offsets of these, `(pixels, d)`."""
    weight = as_kernels(taps).abs().flatten(2)
    positions = offsets(taps.shape[2:], device=taps.device).flatten(0, -2)  # (pixels, d)
    outside = (positions.abs() > _HALF_WINDOW).any(-1)
    return weight, weight[..., outside], positions[outside]


def _on_cross(positions: Tensor) -> Tensor:
    return (positions.abs() > _HALF_CROSS).sum(-1) <= 1  # far from the centre on one axis at most


def _far_lines(kernels: Tensor) -> list[Tensor]:
    """Both ends of each axis through the centre, outside the window, `(out_channels, in_channels, taps)`."""
    size = kernels.shape[2:]
    ends = []
    for axis, length in enumerate(size):
        centre = tuple(slice(None) if a == axis else n // 2 for a, n in enumerate(size))
        line = kernels[(..., *centre)]
        # max, since a negative stop would count from the other end of a small kernel.
        ends += [line[..., : max(length // 2 - _HALF_WINDOW, 0)], line[..., length // 2 + _HALF_WINDOW + 1 :]]
    return ends


def _is_empty(outside: Tensor, weight: Tensor) -> Tensor:
    """Whether a kernel has only rounding outside the window, or is not finite."""
    return ~(outside.sum(-1) > _ROUNDING * weight.sum(-1))  # not `<=`, which is false for NaN
