"""One depthwise layer in every formulation that is compared."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.bench.cases import Case
from nifconv import FrequencyConv2d, SpatialFilter, TableFilter
from nifconv.filters import FilterFactory
from nifconv.functional import spectral_conv

OURS = "nifconv, kernel = map"
IMPLICIT = "nifconv layer, implicit filter"
LOCAL = "nifconv layer, 7x7 taps, zeros around the map"
TEXTBOOK = "textbook rfft2 / irfft2 with autograd"
FULL_COMPLEX = "full complex FFT"
TWO_MLPS = "full complex FFT, two MLPs"
PUBLISHED = "full complex FFT, two MLPs, shifted spectra"
_LOCAL = 7


@dataclass(frozen=True)
class Peer:
    """A formulation: a function of the input and of tensors that are learned.

    Attributes:
        name: name in the report.
        apply: computes the output from the input and the leaves.
        leaves: the tensors that are learned.
        exact: computes the reference in float64: the textbook formulation for our operator, `apply` for others.
        slow: whether a call takes a second or more, so that it is repeated less often and not checked.
    """

    name: str
    apply: Callable[..., Tensor]
    leaves: tuple[Tensor, ...]
    exact: Callable[..., Tensor]
    slow: bool = False


def peers(case: Case, full_kernel_sizes: Sequence[int]) -> Iterator[Peer]:
    """All formulations for one case."""
    c, n = case.channels, case.size
    kernel = torch.randn(c, 1, n, n) / n
    half = _pairs(torch.fft.rfft2(kernel))
    yield Peer(OURS, _ours, (half.clone(),), _textbook)
    yield Peer(TEXTBOOK, _textbook, (half.clone(),), _textbook)
    whole = _pairs(torch.fft.fft2(kernel))
    yield Peer(FULL_COMPLEX, _full_complex, (whole,), _full_complex)
    yield from _with_filters(case)
    for k in (3, 7, 11, 31):
        weight = torch.randn(c, 1, k, k) / k
        slow = k == 31
        if k <= n and (not slow or n in full_kernel_sizes):
            yield Peer(f"nn.Conv2d {k}x{k}", _conv, (weight,), _conv, slow)
    if n in full_kernel_sizes:
        weight = torch.randn(c, 1, n, n) / n
        yield Peer("nn.Conv2d, kernel = map", _conv, (weight,), _conv, slow=True)
    if importlib.util.find_spec("fft_conv_pytorch"):
        weight = torch.randn(c, 1, n, n) / n
        yield Peer("fft-conv-pytorch, kernel = map", _fft_conv_pytorch, (weight,), _conv, slow=True)


def _with_filters(case: Case) -> Iterator[Peer]:
    """Whole layers, the filter's own evaluation and gradient included."""
    c, n = case.channels, case.size
    ours = FrequencyConv2d(c, c, groups=c, bias=False)
    yield layer_peer(IMPLICIT, ours)
    yield layer_peer("nifconv layer, table filter", FrequencyConv2d(c, c, groups=c, bias=False, filter=_table(n)))
    if n >= _LOCAL:
        local = FrequencyConv2d(c, c, _LOCAL, groups=c, bias=False, padding_mode="zeros", filter=SpatialFilter)
        yield layer_peer(LOCAL, local)
    yield layer_peer(TWO_MLPS, FullComplexLayer(c))
    yield layer_peer(PUBLISHED, FullComplexLayer(c, shifted=True))
    yield layer_peer("global filter, free table", GlobalFilter(c, n))


def layer_peer(name: str, layer: nn.Module, exact: nn.Module | None = None) -> Peer:
    """A whole layer with its parameters as leaves, checked against `exact`, by default against itself in float64."""
    names = [key for key, _ in layer.named_parameters()]

    def apply(module: nn.Module, x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    leaves = tuple(p.detach().clone() for p in layer.parameters())
    return Peer(name, functools.partial(apply, layer), leaves, functools.partial(apply, exact or layer))


class FullComplexLayer(nn.Module):
    """Real part of ifft2(fft2(x) * (MLP_real(f) + i MLP_imag(f))), f integers on the full grid, 2-8-4-channels, SiLU.

    Written from the formula of Grabinski, Keuper & Keuper 2024, sec. 3.

    Args:
        channels: number of channels.
        shifted: whether f = 0 is in the middle of the grid, as published, so that the spectrum of the maps is shifted
            there and back; otherwise the grid has the order of the FFT.
    """

    def __init__(self, channels: int, *, shifted: bool = False) -> None:
        super().__init__()
        self.shifted = shifted
        self.real, self.imag = (
            nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 4), nn.SiLU(), nn.Linear(4, channels))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        axes = [torch.arange(n, dtype=x.dtype) - n // 2 for n in x.shape[-2:]]
        axes = axes if self.shifted else [torch.fft.ifftshift(axis) for axis in axes]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        weights = torch.complex(self.real(grid), self.imag(grid)).permute(2, 0, 1)
        if not self.shifted:
            return torch.fft.ifft2(torch.fft.fft2(x) * weights).real
        spectrum = torch.fft.fftshift(torch.fft.fft2(x), (-2, -1)) * weights
        return torch.fft.ifft2(torch.fft.ifftshift(spectrum, (-2, -1))).real


class GlobalFilter(nn.Module):
    """irfft2(rfft2(x) * table), as in the global filter layer of Rao et al. 2021."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(channels, size, size // 2 + 1, 2) / size)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x, norm="ortho") * torch.view_as_complex(self.table)
        return torch.fft.irfft2(spectrum, s=x.shape[-2:], norm="ortho")


def _table(size: int) -> FilterFactory:
    return functools.partial(TableFilter, size=size)


def _ours(x: Tensor, pairs: Tensor) -> Tensor:
    return spectral_conv(x, torch.view_as_complex(pairs), groups=x.shape[1])


def _textbook(x: Tensor, pairs: Tensor) -> Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(x) * torch.view_as_complex(pairs)[:, 0], s=x.shape[-2:])


def _full_complex(x: Tensor, pairs: Tensor) -> Tensor:
    return torch.fft.ifft2(torch.fft.fft2(x) * torch.view_as_complex(pairs)[:, 0]).real


def _conv(x: Tensor, weight: Tensor) -> Tensor:
    before, after = weight.shape[-1] // 2, (weight.shape[-1] - 1) // 2
    if before == after:
        return F.conv2d(x, weight, padding=before, groups=x.shape[1])
    return F.conv2d(F.pad(x, (before, after, before, after)), weight, groups=x.shape[1])


def _fft_conv_pytorch(x: Tensor, weight: Tensor) -> Tensor:
    from fft_conv_pytorch import fft_conv

    before, after = weight.shape[-1] // 2, (weight.shape[-1] - 1) // 2
    if before == after:
        return fft_conv(x, weight, padding=before, groups=x.shape[1])
    return fft_conv(F.pad(x, (before, after, before, after)), weight, groups=x.shape[1])


def _pairs(spectrum: Tensor) -> Tensor:
    return torch.view_as_real(spectrum).contiguous()
