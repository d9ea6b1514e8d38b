"""Giving a new layer the function of the convolution it replaces."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from torch import Tensor, nn

from nifconv import frequency
from nifconv._support import forward
from nifconv.layers import ConvNd, ConvNdView, SpatialLayer, effective_weight

# Used where no example input shows the map sizes. Filters in image coordinates have their stated gain at 32 pixels.
_USUAL_MAP = {1: 32, 2: 32, 3: 16}


def match_layer(layer: nn.Module, conv: ConvNd, map_sizes: Collection[tuple[int, ...]]) -> float:
    """Sets the weights of a layer so that it computes what `conv` does, as closely as it can.

    Args:
        layer: built for `conv`.
        conv: a plain `nn.ConvNd`.
        map_sizes: sizes of the maps it runs on, as far as they are known.

    Returns:
        |taps of the layer - taps of conv| / |taps of conv|, including those of `conv` outside the compared size; the
        largest over the maps where some are too small for the taps of `conv`.

    Raises:
        ValueError: the layer cannot be matched, or has other channels, groups or alignment than `conv`; a filter that
            cannot be fitted has no 1x1 convolution after it; or the weights are on the meta device.
    """
    if effective_weight(conv).is_meta:
        raise ValueError(f"match=True cannot read {conv}, which is on the meta device; load its weights first")
    residual = None
    if isinstance(layer, SpatialLayer) and _is_aligned(layer, ConvNdView(conv)):
        taps = centred_taps(conv, layer)
        with forward.evaluating(layer):  # in train mode, spectral_norm iterates each time the weight is read
            residual = layer.match_(taps, _compared_size(layer, taps, max(map_sizes, key=math.prod, default=None)))
    if residual is None:
        raise ValueError(
            f"match=True cannot give {type(layer).__name__}({layer.extra_repr()}) the function of {conv}; use a "
            "FrequencyConv or depthwise LCConv of its channels, groups, stride and alignment, or convert without match"
        )
    assert isinstance(layer, SpatialLayer)  # noqa: S101 - for the type checker
    return max([residual, *(_error_on_small_map(layer, taps, size) for size in map_sizes)])


def centred_taps(conv: ConvNd, layer: SpatialLayer) -> Tensor:
    """The taps of `conv` in float64, with the centre at k // 2, as `layer` has to apply them in its place.

    A layer with a kernel size of its own keeps the dilation, so its taps are those of `conv`. A kernel as large as
    the map has no dilation: zeros come between the taps. It is centred on the output pixel, which for an even kernel
    with "same" padding is one tap before the middle.
    """
    taps = effective_weight(conv).double()
    if layer.kernel_size is not None:
        return taps
    before = ConvNdView(conv).leading_padding
    after = [d * (k - 1) - b for d, k, b in zip(conv.dilation, conv.kernel_size, before, strict=True)]
    # Symmetric about the output pixel, so that the side is odd and its centre is that pixel.
    reach = [max(pair) for pair in zip(before, after, strict=True)]
    placed = taps.new_zeros(*taps.shape[:2], *(2 * r + 1 for r in reach))
    geometry = zip(reach, before, after, conv.dilation, strict=True)
    places: tuple[Any, ...] = (..., *(slice(r - b, r + a + 1, d) for r, b, a, d in geometry))
    placed[places] = taps  # (out, in / groups, *(2 * reach + 1)), zeros between dilated taps
    return placed


def _compared_size(layer: SpatialLayer, taps: Tensor, map_size: Sequence[int] | None) -> tuple[int, ...]:
    """Taps per axis at which the kernels of a layer are compared with `taps`."""
    applied = layer.applied_size(map_size or _USUAL_MAP[layer.ndim])
    if layer.kernel_size is not None:
        return applied
    # On a map smaller than the original kernel, the taps that it cannot hold are still matched.
    return tuple(map(max, applied, taps.shape[2:]))


def _error_on_small_map(layer: SpatialLayer, taps: Tensor, map_size: Sequence[int]) -> float:
    """|taps of the layer - taps of conv| / |taps of conv| as applied to a map too small for `taps`; 0 on larger maps.

    There a kernel as large as the map differs from that on a larger map, in a way that depends on the filter.
    """
    applied = layer.applied_size(map_size)
    if layer.kernel_size is not None or all(k <= n for k, n in zip(taps.shape[2:], applied, strict=True)):
        return 0.0
    found = layer.kernels(map_size).detach().double()
    if layer.padding_mode == "circular":
        # Taps beyond the map wrap around it and add up; the spectrum on the grid of the map does just that.
        wrapped = frequency.spectrum_to_taps(frequency.taps_to_spectrum(taps, applied), applied)
        return forward.relative_error(found - wrapped, wrapped)
    inside = frequency.resize_taps(taps, applied)
    if layer.padding_mode == "zeros":  # the taps outside multiply zeros
        return forward.relative_error(found - inside, inside)
    # With reflected or repeated borders no smaller kernel gives the same output: taps outside count as error.
    reach = tuple(map(max, applied, taps.shape[2:]))
    error = frequency.resize_taps(found, reach) - frequency.resize_taps(taps, reach)
    return forward.relative_error(error, taps)


def _is_aligned(layer: SpatialLayer, conv: ConvNdView) -> bool:
    """Whether the taps of a layer, with their centres aligned, read the same pixels as those of `conv`."""
    if (layer.in_channels, layer.out_channels, layer.groups) != (conv.in_channels, conv.out_channels, conv.groups):
        return False
    if layer.stride != conv.stride:
        return False
    if layer.kernel_size is None:
        return True
    if layer.dilation != conv.dilation:
        return False
    # A kernel that is larger by 2 * r taps has to start r taps, that is r * dilation pixels, earlier.
    before = (pair[0] for pair in layer.padding_per_axis(layer.kernel_size))
    offsets = zip(before, conv.leading_padding, layer.kernel_size, conv.kernel_size, conv.dilation, strict=True)
    return all(new - old == d * (k // 2 - original // 2) for new, old, k, original, d in offsets)
