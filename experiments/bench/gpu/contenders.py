"""One depthwise layer on a GPU in every formulation that is compared there."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.bench.cases import Case
from experiments.bench.peers import Peer
from nifconv.functional import fft_conv
from nifconv.spectral import multiply

REFERENCE, FUSED = "nifconv, torch.fft", "nifconv, fused"
_LARGEST_OF_PEER = 64
"""Pixels of an axis that nvSubquadratic's fused kernel takes."""


def circular(case: Case, device: torch.device) -> Iterator[Peer]:
    """A kernel as large as the map, given by its spectrum, with circular padding."""
    n, c = case.size, case.channels
    taps = torch.randn(c, n, n, device=device) / n
    pairs = torch.view_as_real(torch.fft.rfft2(taps)).unsqueeze(1).contiguous()  # (c, 1, n, n // 2 + 1, 2)
    for name, method in ((REFERENCE, "fft"), (FUSED, "fused")):
        yield Peer(name, functools.partial(_spectral, method), (pairs,), _textbook)
    yield Peer("textbook rfft2 / irfft2 with autograd", _textbook, (pairs,), _textbook)
    if n >= 7:
        weight = torch.randn(c, 1, 7, 7, device=device) / 7
        yield Peer("nn.Conv2d 7x7", _conv, (weight,), _conv)


def zeros(case: Case, device: torch.device) -> Iterator[Peer]:
    """A kernel about as large as the map, given by an odd number of taps, with zeros around the map."""
    k = case.size - 1 + case.size % 2
    taps = torch.randn(case.channels, 1, k, k, device=device) / k
    for name, method in ((REFERENCE, "fft"), (FUSED, "fused")):
        yield Peer(name, functools.partial(_with_zeros, method), (taps,), _linear)
    if case.size <= _LARGEST_OF_PEER and importlib.util.find_spec("nvsubquadratic"):
        yield Peer("nvSubquadratic, fused", _nvsubquadratic(), (taps,), _linear)


def _spectral(method: str, x: Tensor, pairs: Tensor) -> Tensor:
    size = (x.shape[-2], x.shape[-1])
    return multiply(x, pairs, x.shape[1], size, (1, 1), size, method=method)


def _textbook(x: Tensor, pairs: Tensor) -> Tensor:
    wide = torch.promote_types(x.dtype, pairs.dtype)
    spectrum = torch.fft.rfft2(x.to(wide)) * torch.view_as_complex(pairs)[:, 0]
    return torch.fft.irfft2(spectrum, s=x.shape[-2:]).to(x.dtype)


def _conv(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight.to(x.dtype), padding=weight.shape[-1] // 2, groups=x.shape[1])


def _with_zeros(method: str, x: Tensor, taps: Tensor) -> Tensor:
    pad = taps.shape[-1] // 2
    return fft_conv(x, taps, padding=[(pad, pad)] * 2, groups=x.shape[1], method=method)


def _linear(x: Tensor, taps: Tensor) -> Tensor:
    """What the two others are to compute, in torch.fft alone."""
    wide, k, n = torch.promote_types(x.dtype, taps.dtype), taps.shape[-1], x.shape[-1]
    grid = [n + k - 1] * 2
    spectrum = torch.fft.rfft2(x.to(wide), s=grid) * torch.fft.rfft2(taps[:, 0].flip(-1, -2), s=grid)
    start = k // 2
    return torch.fft.irfft2(spectrum, s=grid)[..., start : start + n, start : start + n].to(x.dtype)


def _nvsubquadratic() -> Callable[[Tensor, Tensor], Tensor]:
    """Their fused kernel: a true convolution, cropped at the middle of the taps, all of it in the dtype of the maps."""
    from nvsubquadratic.ops.fftconv_custom import fused_fftconv2d_bhl

    def apply(x: Tensor, taps: Tensor) -> Tensor:
        kernel: Tensor = taps[:, 0].flip(-1, -2).unsqueeze(0).to(x.dtype)  # (1, channels, k, k)
        return fused_fftconv2d_bhl(x, kernel)

    return apply
