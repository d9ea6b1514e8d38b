"""The kernel of a layer: the taps of its filter at one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nifconv import frequency
from nifconv.filters import FrequencyFilter
from nifconv.spectral import Kernel


class FilterKernel(Kernel):
    """The taps of a filter at one size, evaluated when needed and cached while its weights stay."""

    def __init__(self, filter: FrequencyFilter, size: tuple[int, ...]) -> None:
        self._filter, self._size = filter, size

    @property
    def requires_grad(self) -> bool:
        return any(p.requires_grad for p in self._filter.parameters())

    def taps(self) -> Tensor:
        return self._filter.cached(("taps", self._size), lambda: self._filter.taps(self._size))

    def pairs(self, size: Sequence[int], dilation: Sequence[int], origin: Sequence[int]) -> Tensor:
        def compute() -> Tensor:
            spectrum = frequency.taps_to_spectrum(self._filter.taps(self._size), size, dilation=dilation, origin=origin)
            return torch.view_as_real(spectrum.resolve_conj())

        key = ("linear", self._size, tuple(size), tuple(dilation), tuple(origin))
        return self._filter.cached(key, compute)
