"""A dense kernel as spatial filters and a 1x1 convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from nifconv.conversion._fit import fit
from nifconv.filters import FrequencyFilter
from nifconv.frequency import resize_taps
from nifconv.layers import LCConv

# Singular values below this, relative to the largest, count as rounding: filters that depend on one another.
_RANK_TOLERANCE = 1e-10


def factor_(block: LCConv, taps: Tensor, size: Sequence[int]) -> float:
    """Sets the weights of a depthwise block such that its combined kernels come as close to given ones as they can.

    The taps of each input channel are a matrix W[:, i] of output channels by positions. Its first E right singular
    vectors are the spatial filters, to which the filter of the block is fitted; the 1x1 weights then follow from the
    filters as they are by least squares, P = W A^+. With E = min(out_channels, positions) and filters that can
    express the vectors this is exact, below it is the best approximation of rank E (Eckart & Young 1936). Filters
    that are frozen or shared stay as they are, and only the 1x1 convolution is solved for.

    Args:
        block: with depthwise spatial filters.
        taps: `(out_channels, in_channels // groups, *k)`, float64.
        size: of the map on which kernels are compared, with zeros around the taps.

    Returns:
        |combined kernels - taps| / |taps|, with those taps that lie beyond `size`.
    """
    small = tuple(map(min, taps.shape[2:], size))
    # One matrix of output channels by positions for each input channel.
    wanted = rearrange(resize_taps(taps, small).flatten(2), "(q o) i n -> (q i) o n", q=block.groups)
    if all(_learns_alone(module) for module in block.spatial.filter.modules()):
        _fit_vectors_(block, wanted, small, size)
    with torch.no_grad():
        filters = rearrange(
            block.spatial.filter.taps(size).detach().double(), "(c e) 1 ... -> c e ...", e=block.expansion
        )
        solved = _least_squares(filters, wanted, small)
        weight = rearrange(solved, "(q i) o e -> (q o) (i e)", q=block.groups)
        block.pointwise.weight.copy_(weight.view_as(block.pointwise.weight))
        # As they are in the dtype of the block.
        weight = block.pointwise.weight.detach().flatten(1).to(wanted)
        solved = rearrange(weight, "(q o) (i e) -> (q i) o e", q=block.groups, e=block.expansion)
    inside = (solved @ resize_taps(filters, small).flatten(2) - wanted).square().sum()
    rest = (filters * (1 - resize_taps(filters.new_ones(small), size))).flatten(2)
    outside = torch.einsum("coe,cef,cof->", solved, rest @ rest.mT, solved)
    beyond = 0.0 if small == tuple(taps.shape[2:]) else taps.square().sum() - wanted.square().sum()
    error = math.sqrt(inside + outside + beyond)
    return error and error / taps.norm().item()


def _fit_vectors_(block: LCConv, wanted: Tensor, small: Sequence[int], size: Sequence[int]) -> None:
    """Fits the spatial filters to the right singular vectors of each matrix, the strongest first."""
    # By the Gram matrix, whose side is the number of taps: much faster than the decomposition of the matrices.
    _, vectors = torch.linalg.eigh(wanted.mT @ wanted)
    count = min(block.expansion, vectors.shape[2])
    vectors = vectors.flip(2)[..., :count].mT.unflatten(2, tuple(small))
    # Where there are more filters than directions, the fresh ones stay.
    targets = block.spatial.filter.taps(size).detach().double().unflatten(0, (-1, block.expansion)).squeeze(2)
    targets = torch.cat([resize_taps(vectors, size), targets[:, count:]], dim=1)
    fit(block.spatial.filter, targets.flatten(0, 1).unsqueeze(1), size=size)


def _least_squares(filters: Tensor, wanted: Tensor, small: Sequence[int]) -> Tensor:
    """W A^+ for each channel: filters A `(c, e, *size)`, matrices W `(c, o, n)` that are zero beyond `small`."""
    q, r = torch.linalg.qr(filters.flatten(2).mT)
    q = resize_taps(q.mT.unflatten(2, filters.shape[2:]), small).flatten(2)
    return wanted @ q.mT @ torch.linalg.pinv(r.mT, rtol=_RANK_TOLERANCE)


def _learns_alone(module: object) -> bool:
    return not isinstance(module, FrequencyFilter) or not (module.shared or module.frozen_seed is not None)
