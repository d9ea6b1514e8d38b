"""Coordinates: what the network of an implicit filter is given of a frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nifconv import frequency

# Coordinates in pixels span no more than [-1, 1], on which a plain He-normal network hardly bends, and a smooth
# spectrum is a kernel of few pixels. Integers and waves need no widening.
_PIXEL_WIDENING = 3.0
# The one wave of neighbours on a line carries what four share in the plane; with less of it kernels are as compact
# there, and so the gain is the same on a map of 7 pixels as on any other.
_LONE_WAVE = 0.5


@dataclass(frozen=True)
class Waves:
    """Cosine and sine of 2 pi f . n for integer offsets n: periodic, so that H has no jump anywhere.

    Attributes:
        offsets: the n, in pixels, one tuple for each wave.
        amplitudes: how large the first weights of each wave are drawn, relative to their usual size.
    """

    offsets: tuple[tuple[int, ...], ...]
    amplitudes: tuple[float, ...]

    @property
    def count(self) -> int:
        """Number of inputs of the network."""
        return 2 * len(self.offsets)

    @property
    def widening(self) -> tuple[float, ...]:
        """What the first weights of each input are multiplied by when they are drawn."""
        # Such that the sum over all inputs varies as much as if every amplitude were 1.
        usual = math.sqrt(len(self.amplitudes) / sum(a * a for a in self.amplitudes))
        lone = _LONE_WAVE if sum(map(bool, self.amplitudes)) == 1 else 1.0
        return tuple(lone * usual * a for a in self.amplitudes) * 2  # cosines first, then sines

    def trained(self, size: Sequence[int], device: torch.device) -> Tensor | None:
        """Inputs whose first weights a map of `size` may train, bool, `(count,)`; see `Encoding.amplitudes`.

        None for all of them.
        """
        if all(self.amplitudes):
            return None
        held = [
            amplitude != 0 or all(2 * abs(n) < length for n, length in zip(offset, size, strict=True))
            for offset, amplitude in zip(self.offsets, self.amplitudes, strict=True)
        ]
        return None if all(held) else torch.tensor(held * 2, device=device)

    def __call__(self, size: Sequence[int], device: torch.device) -> Tensor:
        """At the frequencies of the half grid, and at their mirrors: float64, `(2, *half_shape(size), count)`."""
        frequencies = frequency.grid(size, dtype=torch.float64, device=device)
        offsets = torch.tensor(self.offsets, dtype=torch.float64, device=device)
        phase = 2 * math.pi * (frequencies @ offsets.T)
        cosine, sine = phase.cos(), phase.sin()
        return torch.stack([torch.cat([cosine, sine], -1), torch.cat([cosine, -sine], -1)])


@dataclass(frozen=True)
class RawCoordinates:
    """The frequency itself, which jumps at the Nyquist frequency.

    Attributes:
        ndim: number of spatial axes.
        image: in cycles per image, integers from -S/2 on, instead of twice the cycles per pixel, in [-1, 1).
    """

    ndim: int
    image: bool

    @property
    def count(self) -> int:
        return self.ndim

    @property
    def widening(self) -> tuple[float, ...]:
        return (1.0 if self.image else _PIXEL_WIDENING,) * self.ndim

    def trained(self, size: Sequence[int], device: torch.device) -> None:  # noqa: ARG002 - every map trains all
        return None

    def __call__(self, size: Sequence[int], device: torch.device) -> Tensor:
        """At the bins of the half grid, and at their mirrors: float64, `(2, *half_shape(size), ndim)`."""
        frequencies = frequency.mirrored_grid(size, dtype=torch.float64, device=device)
        return frequencies * (frequencies.new_tensor(size) if self.image else 2)


Coordinates = Waves | RawCoordinates
