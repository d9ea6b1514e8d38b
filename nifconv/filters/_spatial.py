"""A kernel given by its taps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nifconv import frequency
from nifconv._support.arguments import at_least_single, ints_per_axis
from nifconv.filters._base import DEFAULT_GAIN, FrequencyFilter
from nifconv.filters._spec import savable


@savable()
class SpatialFilter(FrequencyFilter):
    """k taps per axis, as in `nn.ConvNd`, evaluated as a function of frequency.

    H(f) = sum_j w[j] exp(2 pi i f . (j - k//2)) at any size. On a map smaller than the kernel, the taps that lie
    outside the map are left out.

    Args:
        out_channels, in_channels, ndim: see `FrequencyFilter`.
        kernel_size: taps, one integer or one per axis. A layer that is given this class as its `filter` passes its
            own.
        gain: initial std(output) / std(input) under white input. The initialisation is the uniform one of `nn.ConvNd`,
            whose gain is the default.

    Attributes:
        weight: the taps, `(out_channels, in_channels, *kernel_size)`.

    Raises:
        TypeError, ValueError: as `FrequencyFilter`; `kernel_size` below 1; `gain` not above 0.
    """

    required = ("kernel_size",)

    def __init__(
        self,
        out_channels: int,
        in_channels: int,
        ndim: int = 2,
        *,
        kernel_size: int | Sequence[int],
        gain: float = DEFAULT_GAIN,
    ) -> None:
        super().__init__(out_channels, in_channels, ndim, gain=gain)
        self.kernel_size = ints_per_axis("kernel_size", kernel_size, ndim)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *self.kernel_size))
        self.reset_parameters()

    def _draw(self) -> None:
        # Uniform within +-b has the variance b^2 / 3, and the variances of fan_in taps add up to gain^2.
        fan_in = self.in_channels * math.prod(self.kernel_size)
        bound = self.initial_gain * math.sqrt(3 / fan_in)
        nn.init.uniform_(self.weight, -bound, bound)

    def _scale_(self, factor: float) -> None:
        self.weight.mul_(factor)

    def _fit_(self, taps: Tensor, steps: int) -> None:  # noqa: ARG002 - exact at once
        self.weight.copy_(frequency.resize_taps(taps, self.kernel_size))

    def forward(self, size: Sequence[int]) -> Tensor:
        return frequency.taps_to_spectrum(self.taps(size), ints_per_axis("size", size, self.ndim))

    def taps(self, size: int | Sequence[int]) -> Tensor:
        weight = self.weight.to(at_least_single(self.weight.dtype))  # torch.fft computes in float32 at least
        return frequency.resize_taps(weight, ints_per_axis("size", size, self.ndim))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, kernel_size={self.kernel_size}"
