"""Slow, plain statements of what the library computes, written without its code and without an FFT."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def full_grid(size: Sequence[int]) -> list[tuple[float, ...]]:
    """All frequencies in cycles per sample, in the order of `torch.fft.fftfreq`, written out."""
    axes = [[(k if 2 * k < n else k - n) / n for k in range(n)] for n in size]
    return list(itertools.product(*axes))


def spectrum_of_taps(taps: Tensor, size: Sequence[int], dilation: int = 1) -> Tensor:
    """H(f) = sum_j w[j] exp(2 pi i f . (j - k // 2) * dilation) at all frequencies, `(..., *size)`, sum by sum."""
    kernel_size = taps.shape[-len(size) :]
    lead = taps.shape[: -len(size)]
    total = torch.zeros(*lead, math.prod(size), dtype=torch.complex128)
    frequencies = torch.tensor(full_grid(size), dtype=torch.float64)
    for j in itertools.product(*map(range, kernel_size)):
        offset = torch.tensor([(a - k // 2) * dilation for a, k in zip(j, kernel_size, strict=True)]).double()
        wave = torch.exp(2j * math.pi * (frequencies @ offset))
        total += taps[(..., *j)].double().unsqueeze(-1) * wave
    return total.reshape(*lead, *size)


def circular_conv(x: Tensor, taps: Tensor, groups: int = 1) -> Tensor:
    """Cross-correlation on the torus with centred taps as large as the map: a sum of rolled maps."""
    size = taps.shape[2:]
    dims = tuple(range(1, len(size) + 1))
    out_channels, in_per_group = taps.shape[:2]
    outputs = []
    for o in range(out_channels):
        group = o // (out_channels // groups)
        y = torch.zeros_like(x[:, 0])
        for i in range(in_per_group):
            channel = x[:, group * in_per_group + i]
            for j in itertools.product(*map(range, size)):
                shift = [n // 2 - a for a, n in zip(j, size, strict=True)]
                y = y + taps[(o, i, *j)] * torch.roll(channel, shift, dims)
        outputs.append(y)
    return torch.stack(outputs, 1)


def padded_conv(
    x: Tensor,
    taps: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sequence[int] | int = 1,
    padding: Sequence[int | tuple[int, int]] | int | str = 0,
    dilation: Sequence[int] | int = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Tensor:
    """What `nn.ConvNd` computes, by `torch.nn.functional.pad` and `convNd`."""
    ndim = taps.dim() - 2
    kernel_size = taps.shape[2:]
    dilations = [dilation] * ndim if isinstance(dilation, int) else list(dilation)
    if padding == "same":
        margins = [d * (k - 1) for d, k in zip(dilations, kernel_size, strict=True)]
        pairs = [(m // 2, m - m // 2) for m in margins]
    elif padding == "valid":
        pairs = [(0, 0)] * ndim
    else:
        assert not isinstance(padding, str)
        given = [padding] * ndim if isinstance(padding, int) else padding
        pairs = [(p, p) if isinstance(p, int) else p for p in given]
    flat = [p for pair in reversed(pairs) for p in pair]
    x = F.pad(x, flat) if padding_mode == "zeros" else F.pad(x, flat, mode=padding_mode)
    return CONVS[ndim](x, taps, bias, stride, 0, dilation, groups)
