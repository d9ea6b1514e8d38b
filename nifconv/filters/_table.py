"""A free spectrum, one complex weight per frequency."""

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
class TableFilter(FrequencyFilter):
    """A learned table of frequency responses at a base size (as in the global filter layer of Rao et al. 2021).

    At the base size, H is the table, projected to the spectrum of real kernels. At any other size the table's taps
    are cropped or padded with zeros about the centre: a kernel keeps its size in pixels and does not grow
    with the map.

    Args:
        out_channels, in_channels, ndim: see `FrequencyFilter`.
        size: the base size, one integer or one per axis, in pixels.
        gain: see `FrequencyFilter`; it holds from the base size upward, since smaller maps crop the kernel.

    Attributes:
        weight: real and imaginary parts, `(out_channels, in_channels, *half_shape(size), 2)`.

    Raises:
        TypeError, ValueError: as `FrequencyFilter`; `size` below 1.
    """

    required = ("size",)

    def __init__(
        self,
        out_channels: int,
        in_channels: int,
        ndim: int = 2,
        *,
        size: int | Sequence[int],
        gain: float = DEFAULT_GAIN,
    ) -> None:
        super().__init__(out_channels, in_channels, ndim, gain=gain)
        self.size = ints_per_axis("size", size, ndim)
        half = frequency.half_shape(self.size)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *half, 2))
        self.reset_parameters()

    def _draw(self) -> None:
        taps = torch.randn(self.out_channels, self.in_channels, *self.size, device=self.weight.device)
        # The variances of in_channels * prod(size) taps add up to gain^2.
        taps *= self.initial_gain / math.sqrt(self.in_channels * math.prod(self.size))
        self._set_taps(taps)

    def _fit_(self, taps: Tensor, steps: int) -> None:  # noqa: ARG002 - exact at once
        self._set_taps(frequency.resize_taps(taps, self.size))

    def taps(self, size: int | Sequence[int]) -> Tensor:
        size = ints_per_axis("size", size, self.ndim)
        return frequency.resize_taps(
            frequency.spectrum_to_taps(torch.view_as_complex(self._real_spectrum(self.size)), self.size), size
        )

    def resized(self, size: int | Sequence[int]) -> TableFilter:
        """A learnable table of another base size: the same kernels, cropped or padded with zeros about the centre."""
        other = TableFilter(self.out_channels, self.in_channels, self.ndim, size=size, gain=self.initial_gain)
        with torch.no_grad():
            other.to(self.weight.device, self.weight.dtype)._set_taps(self.taps(size))
        return other

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, size={self.size}"

    def _real_spectrum(self, size: Sequence[int]) -> Tensor:
        if tuple(size) != self.size:
            return torch.view_as_real(frequency.taps_to_spectrum(self.taps(size), size).resolve_conj())
        # Training moves the table away from Hermitian spectra, and irfftn would silently ignore that part.
        return frequency.project_pairs(self.weight.to(at_least_single(self.weight.dtype)), self.size)

    def _set_taps(self, taps: Tensor) -> None:
        spectrum = frequency.taps_to_spectrum(taps, self.size)
        self.weight.copy_(torch.view_as_real(spectrum.resolve_conj()))

    def _scale_(self, factor: float) -> None:
        self.weight.mul_(factor)
