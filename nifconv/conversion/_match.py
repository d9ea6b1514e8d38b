"""Giving a new layer the function of the convolution it replaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

from nifconv import frequency
from nifconv._support.forward import relative_error
from nifconv.conversion._factorize import factor_
from nifconv.conversion._fit import fit
from nifconv.layers import ConvNd, FrequencyConv, LCConv, effective_weight, first_pixel

# Where the maps are not known; the gain of filters in image coordinates holds there too.
_USUAL_MAP = {1: 32, 2: 32, 3: 16}


def match_(new: nn.Module, conv: ConvNd, size: Sequence[int]) -> float:
    """Sets the weights of a layer such that it computes what `conv` does, as closely as it can.

    A `FrequencyConv` is fitted to the taps (see `nifconv.fit`), an `LCConv` to their factors (see `_factorize`).

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
    if isinstance(new, LCConv) and _aligned(new.spatial, conv) and new.spatial.groups == conv.in_channels:
        return factor_(new, original, size)
    if not isinstance(new, FrequencyConv) or not _aligned(new, conv) or new.groups != conv.groups:
        raise ValueError(
            f"match=True cannot give {type(new).__name__}({new.extra_repr()}) the function of {conv}; make a layer of "
            "its channels, groups, stride and alignment, FrequencyConv or depthwise LCConv, or convert without match"
        )
    if not parametrize.is_parametrized(new.filter):  # one that was moved here has the weight of `conv` already
        fit(new.filter, frequency.resize_taps(original, size), size=size)
    reach = tuple(map(max, size, original.shape[2:]))
    taps = frequency.resize_taps(new.filter.taps(size).detach().double(), reach)
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
