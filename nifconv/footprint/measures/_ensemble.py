"""All kernels of a layer: the shapes they are made of, where they vary, and the symmetry of each."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nifconv._support.arguments import positive_int
from nifconv.footprint.measures._size import as_kernels


class PrincipalKernels(NamedTuple):
    """Orthogonal shapes of which the kernels of a layer are combinations, strongest first.

    Attributes:
        kernels: the shapes, of unit energy, float64, `(count, *size)`. The tap of largest magnitude is positive.
        explained: share of the layer's energy along each shape, float64, `(count,)`, falling.
    """

    kernels: Tensor
    explained: Tensor


def principal_kernels(taps: Tensor, count: int | None = None) -> PrincipalKernels:
    """Right singular vectors of the matrix of kernels, one flattened kernel per row, without removing their mean.

    explained_k = s_k^2 / sum_j s_j^2 with singular values s. All kernels are combinations of the first r exactly if
    their shares sum to 1. (Gavrikov & Keuper 2022, CNN Filter DB, sec. 4, but with the mean, so that one shape
    explains a layer that repeats one kernel.)

    Args:
        taps: real, `(out_channels, in_channels, *size)`.
        count: number of shapes to return; by default all min(kernels, taps) of them.

    Returns:
        The shapes and their shares; the shares are NaN if all kernels are zero, and both if a weight is not finite.

    Raises:
        TypeError: `taps` are not real and floating, or `count` is not an integer.
        ValueError: they have no spatial axis, or `count` is below 1.
    """
    rows = as_kernels(taps).flatten(0, 1).flatten(1)  # (kernels, taps)
    limit = min(rows.shape)
    count = limit if count is None else min(positive_int("count", count), limit)
    if not rows.isfinite().all():  # a decomposition would raise
        return PrincipalKernels(rows.new_full((count, *taps.shape[2:]), torch.nan), rows.new_full((count,), torch.nan))
    if len(rows) > rows.shape[1]:
        # Thousands of small kernels: the eigenvectors of a small matrix are the same shapes.
        energy, vectors = torch.linalg.eigh(rows.T @ rows)
        # Ascending, with vectors as columns; rounding can make an eigenvalue of 0 slightly negative.
        energy, shapes = energy.flip(0).clamp_min(0), vectors.T.flip(0)
    else:
        _, values, shapes = torch.linalg.svd(rows, full_matrices=False)
        energy = values.square()
    shapes = shapes[:count]
    # A shape and its negative are the same; a fixed sign keeps figures equal from run to run.
    strongest = shapes.gather(1, shapes.abs().argmax(1, keepdim=True))  # (count, 1)
    kernels = (shapes * strongest.sign()).view(-1, *taps.shape[2:])
    return PrincipalKernels(kernels, (energy / energy.sum())[:count])


def effective_rank(taps: Tensor) -> Tensor:
    """Number of shapes that the kernels of a layer are made of: exp(-sum_k p_k log p_k), p_k the explained shares.

    Between 1 (all kernels are multiples of one) and min(kernels, taps). Source: Roy & Vetterli 2007, with squared
    singular values.

    Returns:
        float64, a scalar, NaN if all kernels are zero.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    return _spread(_explained(taps))


def first_explained(taps: Tensor) -> Tensor:
    """Share of a layer's energy along its first principal kernel, a float64 scalar; 1 if all are multiples of it.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    return _explained(taps)[0]


def position_variance(taps: Tensor) -> Tensor:
    """Variance over the kernels of a layer at each position, relative to its mean over positions.

    v[n] = var_{o,i} w[o,i,n] / mean_m var_{o,i} w[o,i,m]. Flat, 1 everywhere, for taps that are drawn independently
    from one distribution; peaked at the centre in learned layers (Gavrikov & Keuper 2023, Fig. 8b).

    Returns:
        float64, `(*size)`; NaN if the kernels do not differ.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    variance = as_kernels(taps).flatten(0, 1).var(0, correction=0)  # all kernels of the layer, not a sample of them
    return variance / variance.mean()


def variance_spread(taps: Tensor) -> Tensor:
    """Share of the positions over which the variance of a layer is spread: 1 if flat, 1 / positions for one peak.

    exp(-sum_n q_n log q_n) / positions with q the `position_variance` normalised to sum 1.

    Returns:
        float64, a scalar; NaN if the kernels do not differ.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    positions = math.prod(taps.shape[2:])
    return _spread(position_variance(taps).flatten() / positions) / positions


def even_share(taps: Tensor, *, periodic: bool = True) -> Tensor:
    """Share of a kernel's energy in its even part, which has the same weight, sign included, at n and -n; no unit.

    sum_n ((w[n] + w[-n]) / 2)^2 / sum_n w[n]^2, the share of the energy in the real part of the spectrum. 1 for even
    kernels (smoothing, second derivatives), 0 for odd ones (first derivatives, where the sign flips), about 1/2 for
    independent taps.

    Args:
        taps: real, `(out_channels, in_channels, *size)`.
        periodic: whether the kernel wraps around. If so, the first tap of an even axis, at -S/2, is its own mirror
            image; if not, its mirror image is zero.

    Returns:
        float64, `(out_channels, in_channels)`; NaN for a kernel of zeros.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    kernels = as_kernels(taps)
    axes = tuple(range(2, kernels.dim()))
    if not periodic:  # pad to an odd number of taps on every axis, so that the centre is in the middle
        pad = [int(n % 2 == 0 and side == 1) for n in reversed(kernels.shape[2:]) for side in (0, 1)]
        kernels = torch.nn.functional.pad(kernels, pad)
    # A flip about the middle moves the centre of an even axis, at S // 2, by one; the roll takes it back.
    mirrored = kernels.flip(axes).roll([1 - n % 2 for n in kernels.shape[2:]], axes)
    even = (kernels + mirrored) / 2
    return even.square().flatten(2).sum(-1) / kernels.square().flatten(2).sum(-1)


def _explained(taps: Tensor) -> Tensor:
    """`PrincipalKernels.explained` alone."""
    rows = as_kernels(taps).flatten(0, 1).flatten(1)  # (kernels, taps)
    if not rows.isfinite().all():
        return rows.new_full((min(rows.shape),), torch.nan)
    # Both products have the same eigenvalues apart from zeros; the smaller one is cheap.
    gram = rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T
    energy = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)
    return energy / energy.sum()


def _spread(shares: Tensor) -> Tensor:
    """Exponential of the entropy: the number of equal shares that are as widely spread as these."""
    return torch.special.entr(shares).sum().exp()  # entr(0) is 0, where -p log p would be NaN
