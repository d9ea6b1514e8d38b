"""Giving a new layer the function of the convolution it replaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nifconv import frequency
from nifconv.conv import FrequencyConv
from nifconv.filters.base import FrequencyFilter
from nifconv.fit import fit
from nifconv.lc import LCConv
from nifconv.plain import ConvNd, effective_weight, first_pixel
from nifconv.probe import relative_error

# Where the maps are not known; the gain of filters in image coordinates holds there too.
_USUAL_MAP = {1: 32, 2: 32, 3: 16}


def match_(new: nn.Module, conv: ConvNd, size: Sequence[int]) -> float:
    """Sets the weights of a layer such that it computes what `conv` does, as closely as it can.

    A `FrequencyConv` is fitted to the taps. For an `LCConv` the taps W[:, i] of each input channel, a matrix of
    output channels by positions, are factored by their singular value decomposition: the first E right vectors are
    the spatial filters, to which the filter is fitted, and the 1x1 weights follow from the filters by least squares.
    With E = min(out_channels, taps) this is exact, below it is the best approximation of rank E (Eckart & Young).
    Filters that are frozen or shared stay, and only the 1x1 convolution is solved for.

    Args:
        new: the layer, of the channels and groups of `conv`.
        conv: a plain convolution.
        size: taps per axis at which the kernels are compared.

    Returns:
        |taps of the layer - taps of conv| / |taps of conv|, with those of `conv` that lie beyond that size.

    Raises:
        ValueError: the layer is of another kind or has other channels; a filter that cannot be fitted stands alone; or
            the weights are on the meta device.
    """
    if effective_weight(conv).is_meta:
        raise ValueError(f"match=True cannot read {conv}, which is on the meta device; load its weights first")
    original = centred_taps(conv, new)
    target = frequency.resize_taps(original, size)
    if isinstance(new, FrequencyConv) and _aligned(new, conv) and new.groups == conv.groups:
        if not parametrize.is_parametrized(new.filter):  # one that was moved here has the weight of `conv` already
            fit(new.filter, target, size=size)
        taps = new.filter.taps(size)
    elif isinstance(new, LCConv) and _aligned(new.spatial, conv) and new.spatial.groups == conv.in_channels:
        _match_block_(new, target, size)
        taps = new.combined_taps(size)
    else:
        raise ValueError(
            f"match=True cannot give {type(new).__name__}({new.extra_repr()}) the function of {conv}; make a layer of "
            "its channels, groups, stride and alignment, FrequencyConv or depthwise LCConv, or convert without match"
        )
    reach = tuple(map(max, size, original.shape[2:]))
    taps = frequency.resize_taps(taps.detach().double(), reach)
    return relative_error(taps - frequency.resize_taps(original, reach), original)


def matching_size(new: nn.Module, conv: ConvNd, map_size: Sequence[int] | None) -> tuple[int, ...]:
    """Taps per axis at which a layer is to be compared with `conv`.

    Args:
        new: the layer.
        conv: what it replaces.
        map_size: of the maps it runs on, or None if they are not known.
    """
    spatial = new.spatial if isinstance(new, LCConv) else new
    if not isinstance(spatial, FrequencyConv) or spatial.kernel_size:
        return getattr(spatial, "kernel_size", conv.kernel_size)
    # What a map smaller than the original kernel cannot hold is still part of what is to be matched.
    applied = spatial.applied_size(map_size or _USUAL_MAP[spatial.ndim])
    return tuple(map(max, applied, centred_taps(conv, new).shape[2:]))


def centred_taps(conv: ConvNd, new: nn.Module) -> Tensor:
    """The taps of `conv` in float64, with the centre at k // 2, as a layer in its place has to apply them.

    A layer with a kernel size of its own keeps the dilation, so that its taps are those of `conv`. A kernel as large
    as the map has none: zeros come between the taps. It is centred on the output pixel, which for an even kernel
    with "same" padding is one tap before the middle.
    """
    taps = effective_weight(conv).double()
    spatial = new.spatial if isinstance(new, LCConv) else new
    if getattr(spatial, "kernel_size", None) is not None:
        return taps
    before = first_pixel(conv)
    after = [d * (k - 1) - b for d, k, b in zip(conv.dilation, conv.kernel_size, before, strict=True)]
    reach = [max(pair) for pair in zip(before, after, strict=True)]
    placed = taps.new_zeros(*taps.shape[:2], *(2 * r + 1 for r in reach))
    geometry = zip(reach, before, after, conv.dilation, strict=True)
    places: tuple[Any, ...] = (..., *(slice(r - b, r + a + 1, d) for r, b, a, d in geometry))
    placed[places] = taps
    return placed


def _aligned(spatial: FrequencyConv, conv: ConvNd) -> bool:
    """Whether the taps of a layer, centre on centre, read the pixels that those of `conv` read."""
    if (spatial.in_channels, spatial.stride) != (conv.in_channels, conv.stride):
        return False
    if spatial.kernel_size is None:
        return True
    if spatial.dilation != conv.dilation:
        return False
    first = (before for before, _ in spatial._padding_pairs(spatial.kernel_size))
    offsets = zip(first, first_pixel(conv), spatial.kernel_size, conv.kernel_size, conv.dilation, strict=True)
    return all(new - old == d * (k // 2 - original // 2) for new, old, k, original, d in offsets)


def _match_block_(block: LCConv, target: Tensor, size: Sequence[int]) -> None:
    expansion, groups = block.expansion, block.groups
    # One matrix of output channels by positions for each input channel.
    matrices = rearrange(target.flatten(2), "(q o) i n -> (q i) o n", q=groups)
    if all(_learns_alone(m) for m in block.spatial.filter.modules()):
        support = matrices.abs().amax((0, 1)) > 0
        _, strength, vectors = torch.linalg.svd(matrices[..., support], full_matrices=False)
        # Directions of no strength are arbitrary; the fresh filters there are as good, and already independent.
        wanted = block.spatial.filter.taps(size).detach().double().flatten(1)
        wanted = rearrange(wanted, "(c e) n -> c e n", e=expansion).clone()
        rank = min(expansion, vectors.shape[1])
        useful = strength[:, :rank, None] > 1e-12 * strength[:, :1, None]
        exact = torch.zeros_like(wanted[:, :rank])
        exact[..., support] = vectors[:, :rank]
        wanted[:, :rank] = torch.where(useful, exact, wanted[:, :rank])
        fit(block.spatial.filter, wanted.reshape(-1, 1, *size), size=size)
    spatial = rearrange(block.spatial.filter.taps(size).detach().double().flatten(1), "(c e) n -> c e n", e=expansion)
    solved = matrices @ torch.linalg.pinv(spatial, rtol=1e-10)
    with torch.no_grad():
        weight = rearrange(solved, "(q i) o e -> (q o) (i e)", q=groups)
        block.pointwise.weight.copy_(weight.view_as(block.pointwise.weight))


def _learns_alone(module: nn.Module) -> bool:
    return not isinstance(module, FrequencyFilter) or not (module.shared or module.frozen_seed is not None)
