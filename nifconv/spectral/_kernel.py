"""A kernel given by its taps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nifconv import frequency


class Kernel:
    """A kernel given by its taps, in the forms that the methods need."""

    def __init__(self, taps: Tensor) -> None:
        self._taps = taps

    @property
    def requires_grad(self) -> bool:
        """Whether training will need the gradient with respect to this kernel."""
        return self._taps.requires_grad

    def taps(self) -> Tensor:
        """Real, `(out_channels, in_channels, *kernel_size)`, laid out as a conv weight."""
        return self._taps

    def spectrum_as_real(self, size: Sequence[int], dilation: Sequence[int], origin: Sequence[int]) -> Tensor:
        """The spectrum of the taps on a grid, as real and imaginary parts; see `frequency.taps_to_spectrum`."""
        spectrum = frequency.taps_to_spectrum(self.taps(), size, dilation=dilation, origin=origin)
        return torch.view_as_real(spectrum.resolve_conj())  # view_as_real refuses a lazy conjugate
