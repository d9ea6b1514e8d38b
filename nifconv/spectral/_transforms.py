"""Real maps to half spectra and back, in the fastest way this machine offers for the size.

An FFT of a map of a few pixels spends its time on overhead; one matrix product with the whole transform is faster.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nifconv import frequency

# Largest grid on which a matrix product is faster than the FFT on a CPU; on a GPU the overhead costs nothing.
_MATRIX_PIXELS = 64


@dataclass(frozen=True)
class Placement:
    """Where the pixels of a real map lie on the grid: pixel j at position j * step of each axis, zeros elsewhere.

    Reading a map back from the grid with the same placement is the adjoint of laying it out. A circular convolution
    has shape = size; a linear one has a larger grid; `step` is the stride of a convolution.

    Attributes:
        size: pixels of the grid along each spatial axis.
        shape: pixels of the map.
        step: grid positions between neighbouring pixels.
    """

    size: tuple[int, ...]
    shape: tuple[int, ...]
    step: tuple[int, ...]

    def to_spectrum(self, x: Tensor) -> Tensor:
        """The `rfftn` of the map on the grid: real `(..., *shape)` -> complex `(..., *half_shape(size))`."""
        if not _is_matrix(self, x):
            return torch.fft.rfftn(self._spread(x), s=self.size, dim=self._dims)
        forward, _ = _matrices(self, x.dtype)  # (pixels, 2 * bins)
        flat = x.reshape(-1, math.prod(self.shape)) @ forward
        return torch.view_as_complex(flat.view(*self._lead(x), *frequency.half_shape(self.size), 2))

    def to_map(self, spectrum: Tensor) -> Tensor:
        """The `irfftn` on the grid, read at the pixels of the map: complex `(..., *half)` -> real `(..., *shape)`."""
        if _is_matrix(self, spectrum):
            _, inverse = _matrices(self, spectrum.real.dtype)  # (2 * bins, pixels)
            flat = torch.view_as_real(spectrum).reshape(-1, len(inverse)) @ inverse
            return flat.view(*self._lead(spectrum), *self.shape)
        # Folding aliases before the inverse transform is exact where the step divides the grid.
        folds = tuple(s if n % s == 0 else 1 for n, s in zip(self.size, self.step, strict=True))
        spectrum = frequency.fold(spectrum, self.size, folds) if max(folds) > 1 else spectrum
        size = tuple(n // s for n, s in zip(self.size, folds, strict=True))
        # The part of each step that folding has not done is left to indexing.
        left = tuple(s // f for s, f in zip(self.step, folds, strict=True))
        return torch.fft.irfftn(spectrum, s=size, dim=self._dims)[_every(self.shape, left)]

    @property
    def _dims(self) -> tuple[int, ...]:
        return tuple(range(-len(self.size), 0))

    def _lead(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[: -len(self.size)])

    def _spread(self, x: Tensor) -> Tensor:
        """The map with zeros between its pixels; the FFT adds those after it."""
        if max(self.step) == 1:
            # The gradient of a sum is expanded from one number, which the FFT of torch 2.8 on CPUs refuses.
            return x.contiguous() if 0 in x.stride() else x
        grid = x.new_zeros(*self._lead(x), *self.size)
        grid[_every(self.shape, self.step)] = x
        return grid


def multiplicity(size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The weight of each bin of the half spectrum in irfftn, `(size[-1] // 2 + 1,)`: 1 or 2 over the number of pixels.

    A bin of the last axis stands for itself and its mirror, except DC and, on an even axis, Nyquist.
    """
    weights = torch.full((size[-1] // 2 + 1,), 2 / math.prod(size), dtype=dtype, device=device)
    weights[0] = 1 / math.prod(size)
    if size[-1] % 2 == 0:
        weights[-1] = 1 / math.prod(size)
    return weights


def _is_matrix(placement: Placement, operand: Tensor) -> bool:
    # The user may have allowed matrix products of a lower precision than that of the FFT.
    exact = operand.device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
    return exact and math.prod(placement.size) <= _MATRIX_PIXELS


@functools.lru_cache(maxsize=128)
def _matrices(placement: Placement, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The two transforms as matrices from the right, with real and imaginary parts side by side.

    `(prod(shape), 2 * bins)` and `(2 * bins, prod(shape))`, computed in float64 and rounded once.
    """
    # By transforming each unit vector; on the CPU, where alone the matrices are used, whatever the default device.
    exact = torch.float64
    bins = math.prod(frequency.half_shape(placement.size))
    pixels = torch.eye(math.prod(placement.shape), dtype=exact, device="cpu").view(-1, *placement.shape)
    dims = placement._dims
    forward = torch.view_as_real(torch.fft.rfftn(placement._spread(pixels), s=placement.size, dim=dims)).flatten(1)
    units = torch.view_as_complex(torch.eye(2 * bins, dtype=exact, device="cpu").view(2 * bins, bins, 2))
    maps = torch.fft.irfftn(units.view(-1, *frequency.half_shape(placement.size)), s=placement.size, dim=dims)
    inverse = maps[_every(placement.shape, placement.step)].flatten(1)
    return forward.to(dtype).contiguous(), inverse.to(dtype).contiguous()


def _every(shape: tuple[int, ...], step: tuple[int, ...]) -> Any:
    """The index of the first `shape` grid positions, `step` apart."""
    return (..., *(slice(0, (n - 1) * s + 1, s) for n, s in zip(shape, step, strict=True)))
