"""What a layer should compute, in float64 and without the library's convolutions: one long sum over taps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nifconv.layers import LCConv

_CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class Oracle(nn.Module):
    """The same function of weights and input as a frequency layer or an LC block, for layers in float64.

    All that it takes from the library is the spectrum of the filter. Taps come from it by one inverse FFT, and meet the
    padded map in `torch.nn.functional.convNd`.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, LCConv):
            mixing = self.layer.pointwise
            y = spatial(self.layer.spatial, x)
            return _CONVS[self.layer.ndim](y, mixing.weight, mixing.bias, groups=mixing.groups)
        return spatial(self.layer, x)


def spatial(layer: Any, x: Tensor) -> Tensor:
    """A frequency convolution, `(batch, in_channels, *map)` or without batch."""
    batched = x if x.dim() == layer.ndim + 2 else x.unsqueeze(0)
    size = batched.shape[2:]
    if layer.kernel_size is None:
        kernel = size if layer.padding_mode == "circular" else [2 * n - 1 for n in size]
        pairs = [(k // 2, k - 1 - k // 2) for k in kernel]
    else:
        kernel = layer.kernel_size
        margins = [d * (k - 1) for d, k in zip(layer.dilation, kernel, strict=True)]
        pairs = {"same": [(m // 2, m - m // 2) for m in margins], "valid": [(0, 0)] * layer.ndim}.get(
            layer.padding, [(p, p) for p in layer.padding if not isinstance(p, str)]
        )
    # Padded beforehand, since torch's gradients crash for kernels that reach far beyond their map.
    flat = [p for pair in reversed(pairs) for p in pair]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(batched, flat, mode=mode) if any(flat) else batched
    taps = centred_taps(layer.filter(tuple(kernel)), tuple(kernel))
    y = _CONVS[layer.ndim](padded, taps, layer.bias, layer.stride, 0, layer.dilation, layer.groups)
    return y if x is batched else y.squeeze(0)


def centred_taps(spectrum: Tensor, size: Sequence[int]) -> Tensor:
    """w[j] = h[k // 2 - j] of the impulse response h, as `ConvNd.weight` has it."""
    taps: Tensor = torch.fft.irfftn(spectrum, s=size, dim=tuple(range(2, 2 + len(size))))
    for axis, k in enumerate(size):
        taps = taps.index_select(2 + axis, (k // 2 - torch.arange(k)) % k)
    return taps
