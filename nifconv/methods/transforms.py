"""Real maps to half spectra and back, in the fastest way this machine offers for the size.

A short FFT spends its time on bookkeeping: for a map of a few pixels one matrix product with the whole transform is
faster, and for short rows one matrix product along the last axis, followed by an FFT along the others.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nifconv import frequency

# Where a matrix product overtakes the FFT on CPUs, measured on one with 512-bit vectors and MKL.
_WHOLE_PIXELS = 64
_ROW_TO_SPECTRUM = 16
_ROW_TO_MAP = 56


@dataclass(frozen=True)
class Placement:
    """Where the pixels of a real map lie on the grid: pixel j at position j * step of each axis, zeros elsewhere.

    Reading a map back from the grid with the same placement is the adjoint of laying it out. A circular convolution
    has shape = size; a linear one has a larger grid; `step` is the stride of a convolution.

    Attributes:
        size: of the grid, one integer per spatial axis.
        shape: of the map.
        step: grid positions between neighbouring pixels.
    """

    size: tuple[int, ...]
    shape: tuple[int, ...]
    step: tuple[int, ...]

    def to_spectrum(self, x: Tensor) -> Tensor:
        """The `rfftn` of the map on the grid: real `(..., *shape)` -> complex `(..., *half_shape(size))`."""
        kind = _matrix_kind(self, x, _ROW_TO_SPECTRUM)
        if kind is None:
            return torch.fft.rfftn(self._spread(x), s=self.size, dim=self._dims)
        forward, _ = _matrices(self if kind == "whole" else self._rows(), x.dtype)
        if kind == "whole":
            flat = x.reshape(-1, math.prod(self.shape)) @ forward
            return _complex(flat, (*self._lead(x), *frequency.half_shape(self.size)))
        x = self._spread(x)
        rows = _complex(x.reshape(-1, x.shape[-1]) @ forward, (*x.shape[:-1], self.size[-1] // 2 + 1))
        return torch.fft.fftn(rows, s=self.size[:-1], dim=self._dims[:-1]) if len(self.size) > 1 else rows

    def to_map(self, spectrum: Tensor) -> Tensor:
        """The `irfftn` on the grid, read at the pixels of the map: complex `(..., *half)` -> real `(..., *shape)`."""
        real = spectrum.real.dtype
        kind = _matrix_kind(self, spectrum, _ROW_TO_MAP)
        if kind == "whole":
            _, inverse = _matrices(self, real)
            flat = torch.view_as_real(spectrum).reshape(-1, len(inverse)) @ inverse
            return flat.view(*self._lead(spectrum), *self.shape)
        folds = tuple(s if n % s == 0 else 1 for n, s in zip(self.size, self.step, strict=True))
        # Folding aliases before the inverse transform is exact where the step divides the grid.
        spectrum = frequency.fold(spectrum, self.size, folds) if max(folds) > 1 else spectrum
        size = tuple(n // s for n, s in zip(self.size, folds, strict=True))
        left = tuple(s // f for s, f in zip(self.step, folds, strict=True))
        if kind == "rows":
            if len(size) > 1:
                spectrum = torch.fft.ifftn(spectrum, dim=self._dims[:-1])
            _, inverse = _matrices(Placement(size[-1:], size[-1:], (1,)), real)
            pairs = torch.view_as_real(spectrum).reshape(-1, len(inverse))
            grid = (pairs @ inverse).view(*spectrum.shape[:-1], size[-1])
        else:
            grid = torch.fft.irfftn(spectrum, s=size, dim=self._dims)
        return grid[_every(self.shape, left)]

    @property
    def _dims(self) -> tuple[int, ...]:
        return tuple(range(-len(self.size), 0))

    def _rows(self) -> Placement:
        shape = self.shape if max(self.step) == 1 else self.size
        return Placement(self.size[-1:], shape[-1:], (1,))

    def _lead(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[: -len(self.size)])

    def _spread(self, x: Tensor) -> Tensor:
        """The map with zeros between its pixels; the FFT adds those behind it."""
        if max(self.step) == 1:
            return x
        grid = x.new_zeros(*self._lead(x), *self.size)
        grid[_every(self.shape, self.step)] = x
        return grid


def multiplicity(size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """How often a bin of the half spectrum counts in irfftn, over the number of pixels, `(size[-1] // 2 + 1,)`.

    A bin of the last axis stands for itself and its mirror, except DC and, on an even axis, Nyquist.
    """
    weights = torch.full((size[-1] // 2 + 1,), 2 / math.prod(size), dtype=dtype, device=device)
    weights[0] = 1 / math.prod(size)
    if size[-1] % 2 == 0:
        weights[-1] = 1 / math.prod(size)
    return weights


def _matrix_kind(placement: Placement, operand: Tensor, longest_row: int) -> str | None:
    """Which matrix product takes the place of an FFT: "whole", "rows" or, where the FFT is faster, None."""
    # The user may allow matrix products of lower precision than the FFT has; bookkeeping costs nothing on a GPU.
    if operand.device.type != "cpu" or torch.get_float32_matmul_precision() != "highest":
        return None
    if math.prod(placement.size) <= _WHOLE_PIXELS:
        return "whole"
    return "rows" if placement.size[-1] <= longest_row else None


@functools.lru_cache(maxsize=128)
def _matrices(placement: Placement, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The two transforms as matrices from the right, with real and imaginary parts side by side.

    `(prod(shape), 2 * bins)` and `(2 * bins, prod(shape))`, computed in float64 and rounded once.
    """
    exact = torch.float64
    bins = math.prod(frequency.half_shape(placement.size))
    pixels = torch.eye(math.prod(placement.shape), dtype=exact).view(-1, *placement.shape)
    dims = placement._dims
    forward = torch.view_as_real(torch.fft.rfftn(placement._spread(pixels), s=placement.size, dim=dims)).flatten(1)
    units = torch.view_as_complex(torch.eye(2 * bins, dtype=exact).view(2 * bins, bins, 2))
    maps = torch.fft.irfftn(units.view(-1, *frequency.half_shape(placement.size)), s=placement.size, dim=dims)
    inverse = maps[_every(placement.shape, placement.step)].flatten(1)
    return forward.to(dtype).contiguous(), inverse.to(dtype).contiguous()


def _complex(pairs: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.view_as_complex(pairs.view(*shape, 2))


def _every(shape: tuple[int, ...], step: tuple[int, ...]) -> Any:
    """The index of the first `shape` grid positions, `step` apart."""
    return (..., *(slice(0, (n - 1) * s + 1, s) for n, s in zip(shape, step, strict=True)))
