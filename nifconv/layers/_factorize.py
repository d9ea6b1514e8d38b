"""A dense kernel as spatial filters and a 1x1 convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from nifconv.filters import FrequencyFilter, fit
from nifconv.frequency import resize_taps
from nifconv.layers._base import ConvNd

# Singular values below this, relative to the largest, count as rounding: filters that depend on one another.
_RANK_TOLERANCE = 1e-10


def factor_(filter: FrequencyFilter, pointwise: ConvNd, taps: Tensor, size: Sequence[int]) -> float:
    """Sets depthwise filters and a 1x1 convolution so that their combined kernels come closest to given ones.

    The taps of each input channel are a matrix W[:, i] of output channels by positions. Its first E right singular
    vectors are the spatial filters, to which `filter` is fitted; the 1x1 weights then follow from the fitted filters A
    by least squares, P = W A^+. With E = min(out_channels, positions) and filters that can express the vectors this is
    exact; with fewer filters it is the best approximation of rank E (Eckart & Young 1936). Filters that are frozen or
    shared stay as they are, and only the 1x1 convolution is solved for.

    Args:
        filter: the filter of a depthwise convolution, with E kernels for each input channel.
        pointwise: the 1x1 convolution that follows it.
        taps: `(out_channels, in_channels // groups, *k)`, float64, with the groups of `pointwise`.
        size: taps per axis at which kernels are compared, with zeros around `taps`.

    Returns:
        |combined kernels - taps| / |taps|, including the taps that lie beyond `size`.
    """
    groups = pointwise.groups
    expansion = filter.out_channels // (groups * taps.shape[1])
    small = tuple(map(min, taps.shape[2:], size))
    wanted = rearrange(resize_taps(taps, small).flatten(2), "(q o) i n -> (q i) o n", q=groups)
    if all(inside.learns_alone for inside in filter.modules() if isinstance(inside, FrequencyFilter)):
        _fit_vectors_(filter, wanted, small, size)
    with torch.no_grad():
        filters = rearrange(filter.taps(size).detach().double(), "(c e) 1 ... -> c e ...", e=expansion)
        solved = _least_squares(filters, wanted, small)  # (in_channels, out_channels // groups, expansion)
        weight = rearrange(solved, "(q i) o e -> (q o) (i e)", q=groups)
        pointwise.weight.copy_(weight.view_as(pointwise.weight))
        # The residual is that of the weights as rounded to the dtype of the layer.
        weight = pointwise.weight.detach().flatten(1).to(wanted)
        solved = rearrange(weight, "(q o) (i e) -> (q i) o e", q=groups, e=expansion)
    # The squared error in three parts, since the combined kernels on the whole map may not fit into memory:
    # where there are taps; around them, where the filters should be zero (by their Gram matrix); taps beyond the map.
    inside = (solved @ resize_taps(filters, small).flatten(2) - wanted).square().sum()
    around = (filters * (1 - resize_taps(filters.new_ones(small), size))).flatten(2)
    outside = torch.einsum("coe,cef,cof->", solved, around @ around.mT, solved)
    lost = 0.0 if small == tuple(taps.shape[2:]) else taps.square().sum() - wanted.square().sum()
    error = math.sqrt((inside + outside + lost).clamp_min(0))  # the second and third can round to below zero
    return error / taps.norm().item() if error else 0.0


def _fit_vectors_(filter: FrequencyFilter, wanted: Tensor, small: Sequence[int], size: Sequence[int]) -> None:
    """Fits the filters of each channel to the right singular vectors of its matrix, the strongest first."""
    # By the Gram matrix, whose side is the number of taps: much faster than the decomposition of the matrices.
    _, vectors = torch.linalg.eigh(wanted.mT @ wanted)  # (channels, taps, taps), the strongest in the last column
    targets = filter.taps(size).detach().double().unflatten(0, (len(wanted), -1)).squeeze(2)  # (channels, E, *size)
    count = min(targets.shape[1], vectors.shape[2])
    vectors = vectors.flip(2)[..., :count].mT.unflatten(2, tuple(small))  # (channels, count, *small)
    # Where there are more filters than directions, the remaining ones keep their initial values.
    targets = torch.cat([resize_taps(vectors, size), targets[:, count:]], dim=1)
    fit(filter, targets.flatten(0, 1).unsqueeze(1), size=size)


def _least_squares(filters: Tensor, wanted: Tensor, small: Sequence[int]) -> Tensor:
    """W A^+ for each channel: filters A `(c, e, *size)`, matrices W `(c, o, n)` that are zero beyond `small`."""
    q, r = torch.linalg.qr(filters.flatten(2).mT)  # (c, positions, e), (c, e, e)
    # W is zero outside `small`, so that those rows of Q have nothing to multiply.
    q = resize_taps(q.mT.unflatten(2, filters.shape[2:]), small).flatten(2)  # (c, e, n)
    return wanted @ q.mT @ torch.linalg.pinv(r.mT, rtol=_RANK_TOLERANCE)
