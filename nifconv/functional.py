"""Convolution as a product of spectra: pure functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nifconv import frequency
from nifconv._support.arguments import (
    choice,
    complex_spectrum,
    groups_of,
    integer,
    ints_per_axis,
    map_size_of,
    real_floating,
)
from nifconv.spectral import METHODS, PADDING_MODES, Geometry, Kernel, convolve, multiply


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
    """Multiplies the spectrum of every channel by a filter, sums over the input channels and transforms back to pixels.

    Y[o](f) = sum_i H[o, i](f) X[i](f), with i over the input channels of o's group. On the grid of the input itself
    this is a circular convolution. On a larger grid (`size`) the input is continued by zeros, which makes the
    convolution linear as long as the kernel's reach fits into the margin.

    Args:
        x: real, of any floating dtype, `(batch, in_channels, *map)`; the batch may be empty.
        spectrum: complex, `(out_channels, in_channels // groups, *half_shape(size))`.
        groups: number of channel groups; `in_channels` for a depthwise convolution, with
            `out_channels // in_channels` filters for each input channel.
        stride: keep every stride-th output pixel along each axis, starting with the first.
        size: the grid the spectrum is sampled on; by default the map itself (circular padding).
        output_size: number of output pixels along each axis before the stride is applied; by default that of the map.
        pointwise: weight of a 1x1 convolution that follows, `(mixed_channels, out_channels // pointwise_groups)` with
            any number of axes of length 1 after these. Where it reduces the number of channels, it is multiplied into
            the spectrum, so that only mixed_channels maps are transformed back.

    Returns:
        `(batch, out_channels, *ceil(output_size / stride))`, or mixed_channels of them if `pointwise` is given, in the
        dtype of `x`. Transforms run in the wider precision of `x` and `spectrum`, and in float32 at least.

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

    # view_as_real refuses a lazy conjugate; nothing below needs a complex tensor, so compilers and autocast meet none.
    pairs = torch.view_as_real(spectrum.resolve_conj())
    return multiply(x, pairs, groups, size, stride, output_size, pointwise)


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
    method: str = "fft",
) -> Tensor:
    """`torch.nn.functional.convNd` by FFT: the same sum over the same pixels, at a cost independent of the kernel size.

    Args:
        x: real, `(batch, in_channels, *map)`.
        taps: real, `(out_channels, in_channels // groups, *kernel_size)`, as a `ConvNd.weight`.
        stride, dilation, groups: as in `torch.nn.ConvNd`.
        padding: pixels (before, after) for each axis.
        padding_mode: what the padding holds: "zeros", "circular", "reflect" or "replicate".
        pointwise: see `spectral_conv`.
        method: how to compute it, one of "auto", "fft", "native", "fused" and "direct"; see `FrequencyConv2d`.

    Returns:
        `(batch, out_channels, *output)`, output = floor((map + before + after - span) / stride) + 1 with
        span = dilation * (kernel_size - 1) + 1.

    Raises:
        TypeError: an operand is not real and floating, or `padding` does not hold pairs of integers.
        ValueError: the kernel does not fit into the padded map, the padding mode cannot supply that much padding,
            ranks, channels or groups do not fit one another, or the method is unknown.
    """
    ndim = real_floating("taps", taps).dim() - 2
    # Ranks are checked before shapes are read: with one axis too few, a channel would be taken for a pixel.
    choice("padding_mode", padding_mode, PADDING_MODES)
    choice("method", method, METHODS)
    if real_floating("x", x).dim() != ndim + 2:
        raise ValueError(
            f"x has {x.dim()} axes, but taps of shape {tuple(taps.shape)} need 2 + {ndim}: (batch, channels, *map)"
        )
    geometry = Geometry(
        map_size_of(x, ndim),
        tuple(taps.shape[2:]),
        ints_per_axis("stride", stride, ndim),
        tuple(_padding_pairs(padding, ndim)),
        ints_per_axis("dilation", dilation, ndim),
        padding_mode,
    )
    _check_channels(x, tuple(taps.shape), groups, "taps")
    return convolve(x, Kernel(taps), geometry, groups, pointwise, method)


def _check_operands(x: Tensor, spectrum: Tensor, groups: int) -> None:
    real_floating("x", x)
    complex_spectrum(spectrum)
    # Only the number of axes can be checked here; `_check_sizes` compares their lengths with the grid.
    if spectrum.dim() < 3 or x.dim() != spectrum.dim():
        raise ValueError(
            f"x has {x.dim()} axes and spectrum {spectrum.dim()}, but both need 2 + the number of spatial axes: "
            "(batch, in_channels, *map) and (out_channels, in_channels // groups, *half)"
        )
    _check_channels(x, tuple(spectrum.shape), groups, "a spectrum")


def _check_channels(x: Tensor, kernel_shape: tuple[int, ...], groups: int, name: str) -> None:
    groups_of(groups, x.shape[1], kernel_shape[0])
    if kernel_shape[1] * groups != x.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} channels, but {name} with {kernel_shape[1]} input channels per group and "
            f"groups={groups} needs {kernel_shape[1] * groups}"
        )


def _check_sizes(
    map_size: tuple[int, ...], size: tuple[int, ...], output_size: tuple[int, ...], half: tuple[int, ...]
) -> None:
    # On the last axis an even S and S + 1 have equally many bins, so there a wrong `size` cannot be noticed.
    if half != frequency.half_shape(size):
        raise ValueError(
            f"spectrum has the frequency axes {half}, but the half grid of size={size} has "
            f"{frequency.half_shape(size)}; evaluate the filter at that size"
        )
    # On a smaller grid, rfftn would silently crop the map.
    for name, smaller in (("the map of x", map_size), ("output_size", output_size)):
        if any(a > b for a, b in zip(smaller, size, strict=True)):
            raise ValueError(f"{name} is {smaller}, larger than the grid size={size}; use a grid that holds it")


def _padding_pairs(padding: object, ndim: int) -> list[tuple[int, int]]:
    # One error for anything that is not pairs: an int, a string, too few or too many entries in a pair.
    try:
        pairs = [(integer("padding", before), integer("padding", after)) for before, after in padding]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise TypeError(f"padding={padding!r} must hold a pair (before, after) of integers for each axis") from error
    if len(pairs) != ndim or any(min(pair) < 0 for pair in pairs):
        raise ValueError(f"padding={padding!r} must hold {ndim} pairs (before, after) of at least 0, one for each axis")
    return pairs
