"""Convolution as a product of spectra: pure functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from nifconv import frequency
from nifconv._validate import (
    at_least_single,
    choice,
    complex_spectrum,
    groups_of,
    integer,
    ints_per_axis,
    real_floating,
)

PADDING_MODES = ("circular", "zeros", "reflect", "replicate")


def spectral_conv(
    x: Tensor,
    spectrum: Tensor,
    *,
    groups: int = 1,
    stride: int | Sequence[int] = 1,
    size: Sequence[int] | None = None,
    output_size: Sequence[int] | None = None,
    pointwise: Tensor | None = None,
) -> Tensor:
    """Multiplies the spectrum of every channel by a filter, sums over the input channels and goes back to space.

    Y[o](f) = sum_i H[o, i](f) X[i](f), with i over the input channels of o's group. On the grid of the input itself
    this is a circular convolution. On a larger grid (`size`) the input is continued by zeros, which makes the
    convolution linear as long as the kernel's reach fits into the margin.

    Args:
        x: real, `(batch, in_channels, *map)`; any floating dtype, an empty batch included.
        spectrum: complex, `(out_channels, in_channels // groups, *half_shape(size))`.
        groups: number of channel groups; `in_channels` for a depthwise convolution, with
            `out_channels // in_channels` filters for each input channel.
        stride: keep every stride-th output pixel of each axis, from the first on.
        size: the grid the spectrum is sampled on; by default the map itself (circular boundary).
        output_size: how many pixels, from the first on, count before the stride; by default those of the map.
        pointwise: weight of a 1x1 convolution that follows, `(mixed_channels, out_channels // pointwise_groups)` with
            any number of axes of length 1 behind. It is applied in frequency, where it commutes with the transform,
            so that only mixed_channels maps are transformed back.

    Returns:
        `(batch, out_channels, *ceil(output_size / stride))`, or with mixed_channels, in the dtype of
        `x`. Transforms run in the wider precision of `x` and `spectrum`, and in float32 at least.

    Raises:
        TypeError: `x` is not real and floating, or `spectrum` is not complex.
        ValueError: ranks, channels, groups or sizes do not fit one another.

    >>> x = torch.randn(8, 3, 14, 14)
    >>> identity = torch.ones(3, 1, *frequency.half_shape((14, 14)), dtype=torch.complex64)
    >>> torch.testing.assert_close(spectral_conv(x, identity, groups=3), x)
    """
    _check_operands(x, spectrum, groups)
    ndim = spectrum.dim() - 2
    map_size = map_size_of(x, ndim)
    stride = ints_per_axis("stride", stride, ndim)
    size = map_size if size is None else ints_per_axis("size", size, ndim)
    output_size = map_size if output_size is None else ints_per_axis("output_size", output_size, ndim)
    _check_sizes(map_size, size, output_size, tuple(spectrum.shape[2:]))

    dims = tuple(range(-ndim, 0))
    wide = at_least_single(x.dtype, spectrum.real.dtype)
    transformed = torch.fft.rfftn(x.to(wide), s=size, dim=dims)
    spectrum = spectrum.to(torch.promote_types(wide, torch.complex64))
    if pointwise is None:
        response = _mix(transformed, spectrum, groups)
    else:
        response = _mix_twice(transformed, spectrum, groups, pointwise.flatten(1).to(spectrum.dtype))
    # Folding aliases before the inverse transform is exact where the stride divides the grid.
    folds = tuple(s if n % s == 0 else 1 for n, s in zip(size, stride, strict=True))
    folded_size = tuple(n // s for n, s in zip(size, folds, strict=True))
    y = torch.fft.irfftn(frequency.fold(response, size, folds), s=folded_size, dim=dims)
    steps = (slice(0, -(-n // f), s // f) for n, f, s in zip(output_size, folds, stride, strict=True))
    keep = (slice(None), slice(None), *steps)
    return y[keep].to(x.dtype)


def fft_conv(
    x: Tensor,
    taps: Tensor,
    *,
    stride: int | Sequence[int] = 1,
    padding: Sequence[tuple[int, int]],
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    pointwise: Tensor | None = None,
) -> Tensor:
    """`torch.nn.functional.convNd` by FFT: the same sum over the same pixels, at a cost independent of the taps.

    Args:
        x: real, `(batch, in_channels, *map)`.
        taps: real, `(out_channels, in_channels // groups, *kernel_size)`, as a `ConvNd.weight`.
        stride, dilation, groups: as in `torch.nn.ConvNd`.
        padding: pixels (before, after) for each axis.
        padding_mode: what the padding holds: "zeros", "circular", "reflect" or "replicate".
        pointwise: see `spectral_conv`.

    Returns:
        `(batch, out_channels, *output)`, output = floor((map + before + after - span) / stride) + 1 with
        span = dilation * (kernel_size - 1) + 1.

    Raises:
        TypeError: an operand is not real and floating, or `padding` does not hold pairs of integers.
        ValueError: the kernel does not fit into the padded map, the padding mode cannot supply that much padding, or
            ranks, channels or groups do not fit one another.
    """
    ndim = real_floating("taps", taps).dim() - 2
    choice("padding_mode", padding_mode, PADDING_MODES)
    if real_floating("x", x).dim() != ndim + 2:
        raise ValueError(f"x has {x.dim()} axes, but taps of shape {tuple(taps.shape)} need batch, channels and {ndim}")
    stride = ints_per_axis("stride", stride, ndim)
    dilation = ints_per_axis("dilation", dilation, ndim)
    size, kernel_size = map_size_of(x, ndim), tuple(taps.shape[2:])
    padding = _padding_pairs(padding, ndim)
    _check_padding(size, padding, padding_mode)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    output_size = [n + sum(pad) - span + 1 for n, pad, span in zip(size, padding, spans, strict=True)]
    if min(output_size) < 1:
        raise ValueError(
            f"kernel_size={kernel_size} with dilation={dilation} spans {tuple(spans)} pixels, but the map of "
            f"{size} with padding={tuple(padding)} has fewer; use a smaller kernel or more padding"
        )

    before = [pad[0] for pad in padding]
    if padding_mode == "circular" and output_size == list(size):
        grid_size = size  # the product of spectra is this convolution already
    elif padding_mode == "zeros":
        # x is continued by zeros behind its end only: what wraps around from before the start reads those too.
        needed = [max(n + max(pad), out) for n, pad, out in zip(size, padding, output_size, strict=True)]
        grid_size = _fast(needed, stride)
    else:
        x = torch.nn.functional.pad(x, [p for pad in reversed(padding) for p in pad], mode=padding_mode)
        before = [0] * ndim
        grid_size = _fast(x.shape[2:], stride)
    spectrum = frequency.taps_to_spectrum(taps, grid_size, dilation=dilation, origin=before)
    return spectral_conv(
        x, spectrum, groups=groups, stride=stride, size=grid_size, output_size=output_size, pointwise=pointwise
    )


def combine(kernels: Tensor, pointwise: Tensor, groups: int) -> Tensor:
    """The kernels of a convolution followed by a 1x1 convolution, as those of a single one.

    sum_k P[o, k] w[k, i]: a linear combination for each pair of channels (Gavrikov & Keuper 2023, lemma 3.1). It
    holds for taps and for spectra.

    Args:
        kernels: `(channels, in_channels // groups, *axes)`, real or complex.
        pointwise: `(out_channels, channels // pointwise_groups)`, of the same dtype.
        groups: of the first convolution, a multiple of those of the second.

    Returns:
        `(out_channels, in_channels // pointwise_groups, *axes)`.
    """
    pointwise_groups = len(kernels) // pointwise.shape[1]
    kernels = rearrange(kernels, "(q g k) i ... -> q g k i ...", q=pointwise_groups, g=groups // pointwise_groups)
    pointwise = rearrange(pointwise, "(q o) (g k) -> q o g k", q=pointwise_groups, g=groups // pointwise_groups)
    return rearrange(torch.einsum("qogk,qgki...->qogi...", pointwise, kernels), "q o g i ... -> (q o) (g i) ...")


def map_size_of(x: Tensor, ndim: int) -> tuple[int, ...]:
    """The spatial size of `x`, its last `ndim` axes.

    Raises:
        ValueError: the map is empty, so that it has no spectrum.
    """
    size = tuple(x.shape[-ndim:])
    if min(size) < 1:
        raise ValueError(f"x has a map of size {size}; every spatial axis needs at least 1 pixel")
    return size


def _mix(x: Tensor, spectrum: Tensor, groups: int) -> Tensor:
    """Sum over input channels of H[o, i] X[i], group by group; both complex, on the same grid."""
    x = rearrange(x, "b (g i) ... -> b g i ...", g=groups)
    spectrum = rearrange(spectrum, "(g o) i ... -> g o i ...", g=groups)
    depthwise = spectrum.shape[2] == 1
    mixed = x * spectrum.squeeze(2) if depthwise else torch.einsum("bgi...,goi...->bgo...", x, spectrum)
    return rearrange(mixed, "b g o ... -> b (g o) ...")


def _mix_twice(x: Tensor, spectrum: Tensor, groups: int, pointwise: Tensor) -> Tensor:
    """`_mix`, then a 1x1 convolution, in the order that keeps less in memory."""
    channels, out_channels = len(spectrum), len(pointwise)
    pointwise_groups = channels // pointwise.shape[1]
    combined_kernels = out_channels * x.shape[1] // pointwise_groups
    if combined_kernels <= len(x) * channels:
        return _mix(x, combine(spectrum, pointwise, groups), pointwise_groups)
    responses = rearrange(_mix(x, spectrum, groups), "b (q k) ... -> b q k ...", q=pointwise_groups)
    pointwise = rearrange(pointwise, "(q o) k -> q o k", q=pointwise_groups)
    return rearrange(torch.einsum("bqk...,qok->bqo...", responses, pointwise), "b q o ... -> b (q o) ...")


def _fast(minimum: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    return tuple(frequency.fast_length(n, multiple_of=s) for n, s in zip(minimum, stride, strict=True))


def _check_operands(x: Tensor, spectrum: Tensor, groups: int) -> None:
    real_floating("x", x)
    complex_spectrum(spectrum)
    if spectrum.dim() < 3 or x.dim() != spectrum.dim():
        raise ValueError(
            f"x has {x.dim()} axes and spectrum {spectrum.dim()}, but both need 2 + the number of spatial axes: "
            "(batch, in_channels, *map) and (out_channels, in_channels // groups, *half)"
        )
    groups_of(groups, x.shape[1], spectrum.shape[0])
    if spectrum.shape[1] * groups != x.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} channels, but a spectrum of {spectrum.shape[1]} input channels in groups={groups} "
            f"needs {spectrum.shape[1] * groups}"
        )


def _check_sizes(
    map_size: tuple[int, ...], size: tuple[int, ...], output_size: tuple[int, ...], half: tuple[int, ...]
) -> None:
    if half != frequency.half_shape(size):
        raise ValueError(
            f"spectrum has the frequency axes {half}, but the half grid of size={size} has "
            f"{frequency.half_shape(size)}; evaluate the filter at that size"
        )
    for name, smaller in (("the map of x", map_size), ("output_size", output_size)):
        if any(a > b for a, b in zip(smaller, size, strict=True)):
            raise ValueError(f"{name} is {smaller}, larger than the grid size={size}; use a grid that holds it")


def _padding_pairs(padding: object, ndim: int) -> list[tuple[int, int]]:
    try:
        pairs = [(integer("padding", before), integer("padding", after)) for before, after in padding]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise TypeError(f"padding={padding!r} must hold a pair (before, after) of integers for each axis") from error
    if len(pairs) != ndim or any(min(pair) < 0 for pair in pairs):
        raise ValueError(f"padding={padding!r} must hold {ndim} pairs (before, after) of at least 0, one for each axis")
    return pairs


def _check_padding(size: tuple[int, ...], padding: Sequence[tuple[int, int]], mode: str) -> None:
    # reflect does not repeat the border pixel, circular can go round once: the rules of torch.nn.functional.pad
    limits = {"reflect": [n - 1 for n in size], "circular": list(size)}.get(mode)
    if limits and any(max(pad) > limit for pad, limit in zip(padding, limits, strict=True)):
        raise ValueError(
            f"padding={tuple(padding)} exceeds {tuple(limits)}, the most that padding_mode={mode!r} can supply on a "
            f"map of {size}; use less padding, a smaller kernel, one as large as the map, or padding_mode='zeros'"
        )
