"""Features of frequency for an implicit filter to work on."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from nifconv._support.arguments import integer, positive_int

_FARTHEST = 1_000_000


@dataclass(frozen=True)
class FourierFeatures:
    """Waves over the frequency band: cos(2 pi f . n) and sin(2 pi f . n) for a few random pixel offsets n.

    exp(2 pi i f . n) as a function of frequency is a single tap at offset n, so these features let an MLP put weight
    far from the centre, where raw coordinates make it smooth, that is local. Offsets are integers, which makes every
    feature periodic across the band, as spectra are. Source: Tancik et al. 2020, eq. 5, with the roles of space and
    frequency exchanged.

    Args:
        reach: largest |n| on any axis, in pixels: how far the prior lets a kernel extend.
        features: how many offsets; the MLP sees twice as many inputs. No two are equal or opposite.
        seed: of the draw, which is uniform over the box of side 2 * reach + 1.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: `reach` or `features` is below 1, or `reach` above a million pixels.
    """

    reach: int
    features: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if positive_int("reach", self.reach) > _FARTHEST:
            raise ValueError(f"reach={self.reach} must be at most {_FARTHEST} pixels")
        for name, read in (("reach", positive_int), ("features", positive_int), ("seed", integer)):
            object.__setattr__(self, name, read(name, getattr(self, name)))

    def draw(self, ndim: int) -> Tensor:
        """The offsets n, int64, `(features, ndim)`, in pixels.

        Raises:
            ValueError: the box holds fewer than `features` pairs of opposite offsets.
        """
        side = 2 * self.reach + 1
        pairs = (side**ndim - 1) // 2
        if self.features > pairs:
            raise ValueError(
                f"features={self.features} is more than the {pairs} distinct waves of reach={self.reach} in {ndim}-d; "
                f"use at most {pairs}, or a larger reach"
            )
        # Points of the box, numbered row by row, come in opposite pairs p and side**ndim - 1 - p.
        numbers = random.Random(self.seed).sample(range(pairs), self.features)  # noqa: S311 - no secret
        return torch.tensor([[n // side**axis % side - self.reach for axis in range(ndim)] for n in numbers])


def encode(frequencies: Tensor, offsets: Tensor) -> Tensor:
    """Cosine and sine of 2 pi f . n: frequencies `(..., d)`, offsets `(features, d)` -> `(..., 2 * features)`."""
    phase = 2 * math.pi * (frequencies @ offsets.to(frequencies.dtype).T)
    return torch.cat([phase.cos(), phase.sin()], dim=-1)
