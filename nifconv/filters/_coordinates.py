"""Coordinates: the inputs that the network of an implicit filter gets for each frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nifconv import frequency
from nifconv._support.arguments import positive_float
from nifconv.filters._encoding import Encoding

# Coordinates in pixels span only [-1, 1], where a He-normal network is almost linear: so smooth a spectrum belongs to a
# kernel of very few pixels. Integers and waves need no widening.
_PIXEL_WIDENING = 3.0
# In 1-d the neighbours give a single wave, which carries what four share in 2-d. With half of it kernels are as compact
# in 1-d as in 2-d, so that a map of 7 pixels holds them and the gain there is that on any other map.
_LONE_WAVE = 0.5


@dataclass(frozen=True)
class Waves:
    """Cosine and sine of 2 pi f . n for integer offsets n: periodic, so that H has no jump anywhere.

    Attributes:
        offsets: the n, in pixels, one tuple for each wave.
        amplitudes: initial scale of the first-layer weights of each wave, relative to the usual one.
    """

    offsets: tuple[tuple[int, ...], ...]
    amplitudes: tuple[float, ...]

    @property
    def count(self) -> int:
        """Number of inputs of the network."""
        return 2 * len(self.offsets)

    @property
    def widening(self) -> tuple[float, ...]:
        """Factor on the first-layer weights of each input at initialisation."""
        # Keeps the variance of the sum over all inputs where it would be if every amplitude were 1.
        usual = math.sqrt(len(self.amplitudes) / sum(a * a for a in self.amplitudes))
        lone = _LONE_WAVE if sum(map(bool, self.amplitudes)) == 1 else 1.0
        return tuple(lone * usual * a for a in self.amplitudes) * 2  # cosines first, then sines

    def trained(self, size: Sequence[int], device: torch.device) -> Tensor | None:
        """Inputs whose first-layer weights a map of `size` may train, bool, `(count,)`; see `Encoding.amplitudes`.

        None if it may train all of them.
        """
        if all(self.amplitudes):
            return None
        # A map holds the offset n where its wave does not alias to a shorter one: 2 |n| below the length of each axis.
        held = [
            amplitude != 0 or all(2 * abs(n) < length for n, length in zip(offset, size, strict=True))
            for offset, amplitude in zip(self.offsets, self.amplitudes, strict=True)
        ]
        return None if all(held) else torch.tensor(held * 2, device=device)

    def __call__(self, size: Sequence[int], device: torch.device) -> Tensor:
        """At the frequencies of the half grid, and at their mirrors: float64, `(2, *half_shape(size), count)`."""
        frequencies = frequency.grid(size, dtype=torch.float64, device=device)
        offsets = torch.tensor(self.offsets, dtype=torch.float64, device=device)
        phase = 2 * math.pi * (frequencies @ offsets.T)  # (*half, waves)
        cosine, sine = phase.cos(), phase.sin()
        # At -f the cosine is the same and the sine changes sign, so the mirrored grid need not be evaluated.
        return torch.stack([torch.cat([cosine, sine], -1), torch.cat([cosine, -sine], -1)])


@dataclass(frozen=True)
class RawCoordinates:
    """The frequency itself, which jumps from one end of the band to the other at the Nyquist frequency.

    Attributes:
        ndim: number of spatial axes.
        image: in cycles per image, integers from -S/2 on, instead of twice the cycles per sample, in [-1, 1).
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
        return frequencies * (frequencies.new_tensor(size) if self.image else 2)  # from cycles per sample


Coordinates = Waves | RawCoordinates


def check_encoding(encoding: Encoding | None, coordinates: str) -> Encoding | None:
    """The offsets of periodic coordinates, or None for the default.

    Raises:
        TypeError: it is not an encoding.
        ValueError: the coordinates are others.
    """
    if encoding is not None and not isinstance(encoding, Encoding):
        raise TypeError(f"encoding={encoding!r} must be None or an Encoding, such as MultiScaleFeatures(reach=24)")
    if encoding is not None and coordinates != "periodic":
        raise ValueError(
            f"encoding={encoding} holds offsets for periodic coordinates and cannot be combined with "
            f"coordinates={coordinates!r}; use coordinates='periodic', or encoding=None"
        )
    return encoding


def check_band_limit(band_limit: float | None, coordinates: str) -> float | None:
    """The highest frequency of image coordinates, in cycles per image, or None for no limit.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not above 0, or the coordinates are others.
    """
    if band_limit is not None and coordinates != "image":
        raise ValueError(
            f"band_limit={band_limit} is in cycles per image and cannot be combined with coordinates={coordinates!r}; "
            "use coordinates='image', or band_limit=None"
        )
    return None if band_limit is None else positive_float("band_limit", band_limit)
