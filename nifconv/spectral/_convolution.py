"""One convolution by the chosen method: a product of spectra or a direct sum, and a 1x1 convolution after it."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from nifconv._support.arguments import at_least_single
from nifconv._support.matrices import bmm
from nifconv._support.precision import full_precision
from nifconv.spectral import _direct, _onnx, _operator
from nifconv.spectral._crossover import chosen
from nifconv.spectral._geometry import Geometry
from nifconv.spectral._kernel import Kernel


def multiply(
    x: Tensor,
    pairs: Tensor,
    groups: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    output_size: tuple[int, ...],
    pointwise: Tensor | None = None,
    method: str = "auto",
) -> Tensor:
    """`functional.spectral_conv` of a spectrum given as real and imaginary parts; arguments are not checked."""
    if pointwise is None:
        shape = tuple(-(-n // s) for n, s in zip(output_size, stride, strict=True))
        # The exporter and TorchScript know no registered operator.
        plain = torch.onnx.is_in_onnx_export() or torch.jit.is_tracing()
        compute = _onnx.apply if plain else _operator.apply
        return compute(x, pairs, groups, method, size, (1,) * len(size), stride, shape)
    weight, channels = pointwise.flatten(1), len(pairs)  # (mixed, channels / pointwise groups)
    wide = at_least_single(x.dtype, pairs.dtype, weight.dtype)
    with full_precision(x.device):
        if combines_first(x, channels, weight):
            # (out, in / pointwise groups, *half, 2): real and imaginary parts are combined alike, since P is real.
            combined = combine(pairs.to(wide), weight.to(wide), groups)
            return multiply(x, combined, channels // weight.shape[1], size, stride, output_size, method=method)
        # Combining would not pay: the 1x1 convolution runs on the maps instead.
        y = multiply(x, pairs, groups, size, stride, output_size, method=method).to(wide)
        return _direct.pointwise(y, weight.to(wide), channels // weight.shape[1]).to(x.dtype)


def convolve(
    x: Tensor, kernel: Kernel, geometry: Geometry, groups: int, pointwise: Tensor | None, method: str
) -> Tensor:
    """`functional.fft_conv` of a `Kernel` by the chosen method; arguments are not checked."""
    trains = torch.is_grad_enabled() and (x.requires_grad or kernel.requires_grad)
    method = chosen(
        method,
        x,
        geometry.kernel_size,
        geometry.size,
        depthwise=groups == x.shape[1],
        wraps=geometry.padding_mode == "circular",
        trains=trains,
    )
    if method == "direct":
        return _convolve_directly(x, kernel.taps(), geometry, groups, pointwise)
    # The grid is the map where the padding is circular, else at least map + padding.
    x, grid_size, origin = geometry.on_grid(x)
    pairs = kernel.spectrum_as_real(grid_size, geometry.dilation, origin)
    return multiply(x, pairs, groups, grid_size, geometry.stride, geometry.output_size, pointwise, method)


def _convolve_directly(x: Tensor, taps: Tensor, geometry: Geometry, groups: int, pointwise: Tensor | None) -> Tensor:
    convolution = functools.partial(
        _direct.sum_over_taps,
        stride=geometry.stride,
        padding=geometry.padding,
        dilation=geometry.dilation,
        padding_mode=geometry.padding_mode,
    )
    if pointwise is None:
        return convolution(x, taps, groups=groups)
    weight = pointwise.flatten(1)
    wide = at_least_single(x.dtype, taps.dtype, weight.dtype)
    weight, pointwise_groups = weight.to(wide), len(taps) // weight.shape[1]
    # A depthwise convolution is cheap as it is, and dense once it is combined with the 1x1 weights.
    combines = groups == pointwise_groups and combines_first(x, len(taps), weight)
    with full_precision(x.device):
        if combines:
            return convolution(x, combine(taps.to(wide), weight, groups), groups=groups)
        return _direct.pointwise(convolution(x, taps, groups=groups).to(wide), weight, pointwise_groups).to(x.dtype)


def combines_first(x: Tensor, channels: int, pointwise: Tensor) -> bool:
    """Whether kernels and 1x1 weights are combined first: fewer maps to transform back, and no more memory.

    A batch size that an exporter leaves open does not decide, since the choice would fix it.
    """
    # Combined kernels: (out, in / pointwise groups), against (batch, channels) maps that would be transformed back.
    out_channels, combined = len(pointwise), len(pointwise) * x.shape[1] * pointwise.shape[1] // channels
    if out_channels >= channels:
        return False
    return isinstance(x.shape[0], torch.SymInt) or combined <= x.shape[0] * channels


def combine(kernels: Tensor, pointwise: Tensor, groups: int) -> Tensor:
    """The kernels of a convolution followed by a 1x1 convolution, as those of a single one.

    sum_k P[o, k] w[k, i]: a linear combination for each pair of channels (Gavrikov & Keuper 2023, lemma 3.1). It
    holds for taps and for spectra.

    Args:
        kernels: `(channels, in_channels // groups, *axes)`, real or complex.
        pointwise: `(out_channels, channels // pointwise_groups)`, of the same dtype.
        groups: groups of the first convolution, a multiple of those of the second.

    Returns:
        `(out_channels, in_channels // pointwise_groups, *axes)`; outputs lie side by side in memory, as the native
        engine reads them, if there is one group of the 1x1 convolution.
    """
    pointwise_groups = len(kernels) // pointwise.shape[1]
    # q: groups of the 1x1 convolution; g: groups of the first one within each; k: kernels of a group. Axes are moved
    # without einops, whose parser torch.compile would trace on each call.
    by_group = kernels.unflatten(0, (groups, -1))  # (q * g, k, i, *axes)
    weights = pointwise.unflatten(0, (pointwise_groups, -1)).unflatten(2, (groups // pointwise_groups, -1))
    weights = weights.permute(0, 2, 3, 1).flatten(0, 1)  # (q, o, g, k) -> (q * g, k, o)
    # Few numbers beside the weights, laid out so that their gradient is a product of rows too.
    rows = by_group.flatten(2).mT.contiguous()  # (q * g, i * axes, k)
    combined = bmm(rows, weights)  # (q * g, i * axes, o): outputs side by side
    combined = combined.unflatten(1, by_group.shape[2:]).unflatten(0, (pointwise_groups, -1))  # (q, g, i, *axes, o)
    return combined.movedim(-1, 1).flatten(2, 3).flatten(0, 1)
