"""The kernel of a layer: the taps of its filter at one size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from nifconv.filters import FrequencyFilter
from nifconv.spectral import Kernel


class FilterKernel(Kernel):
    """The taps of a filter at one size, evaluated when needed and cached until its weights change."""

    def __init__(self, filter: FrequencyFilter, size: tuple[int, ...]) -> None:
        self._filter, self._size = filter, size

    @property
    def requires_grad(self) -> bool:
        return any(p.requires_grad for p in self._filter.parameters())

    def taps(self) -> Tensor:
        return self._filter.cached(("taps", self._size), lambda: self._filter.taps(self._size))

    def spectrum_as_real(self, size: Sequence[int], dilation: Sequence[int], origin: Sequence[int]) -> Tensor:
        def compute() -> Tensor:
            # Not `self.taps()`, which would cache the taps too, although only the spectrum is used again.
            return Kernel(self._filter.taps(self._size)).spectrum_as_real(size, dilation, origin)

        # One map and kernel can be met with several strides and paddings, hence grids: each has a spectrum of its own.
        key = ("linear", self._size, tuple(size), tuple(dilation), tuple(origin))
        return self._filter.cached(key, compute)
