"""Encodings: the pixel offsets whose waves over frequency an implicit filter works on."""

from __future__ import annotations

import itertools
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nifconv._support.arguments import integer, positive_int
from nifconv.filters._spec import savable

_FARTHEST = 1_000_000  # pixels: in 3-d the box then has fewer than 2**63 points, the most that range() can sample from
_MOST = 16_384  # offsets: a file may ask for any number
_TRIES = 1000  # for each offset, farther out each time


class Encoding(ABC):
    """Waves exp(2 pi i f . n) over the frequency band, for a few pixel offsets n; a subclass is a frozen dataclass.

    As a function of frequency such a wave is a single tap at offset n, so the offsets say how far a kernel reaches
    before the network combines them. They are integers, hence every wave is periodic across the band, as spectra are.
    """

    @abstractmethod
    def draw(self, ndim: int) -> Tensor:
        """The offsets n, int64, `(features, ndim)`, in pixels, no two equal or opposite; the same ones at every call.

        Raises:
            ValueError: there are fewer distinct waves than `features`.
        """

    def amplitudes(self, offsets: Tensor) -> Tensor:
        """Initial scale of the first-layer weights of each wave, relative to those of the others: `(features,)`.

        An offset of amplitude 0 starts without any effect, is learned only where it helps, and only from maps that
        hold it: those of more than 2 |n_a| pixels along each axis a. On a smaller map the wave of an offset aliases to
        that of a shorter one, and what it learned there would appear far out on every larger map.
        """
        return torch.ones(len(offsets), device=offsets.device)


@savable()
@dataclass(frozen=True)
class Neighbors(Encoding):
    """All offsets of at most `reach` pixels along each axis: the local encoding, and for reach 1 the default.

    Args:
        reach: largest |n| on any axis, in pixels.

    Raises:
        TypeError: `reach` is not an integer.
        ValueError: it is below 1. Drawing raises where that gives more than 16,384 offsets.
    """

    reach: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "reach", positive_int("reach", self.reach))

    def draw(self, ndim: int) -> Tensor:
        if (2 * self.reach + 1) ** ndim > 2 * _MOST:
            raise ValueError(f"reach={self.reach} gives more than {_MOST} waves in {ndim}-d; use MultiScaleFeatures")
        box = list(itertools.product(range(-self.reach, self.reach + 1), repeat=ndim))
        # Opposite offsets give conjugate waves, so one half of the box is enough: product() lists each point as far
        # before the zero in the middle as its opposite after it.
        return _tensor(box[len(box) // 2 + 1 :])


@dataclass(frozen=True)
class RandomOffsets(Encoding):
    """Arguments and checks that encodings of random offsets share."""

    reach: int
    features: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if positive_int("reach", self.reach) > _FARTHEST:
            raise ValueError(f"reach={self.reach} must be at most {_FARTHEST} pixels")
        if positive_int("features", self.features) > _MOST:
            raise ValueError(f"features={self.features} must be at most {_MOST}; the network gets two inputs for each")
        for name, read in (("reach", positive_int), ("features", positive_int), ("seed", integer)):
            object.__setattr__(self, name, read(name, getattr(self, name)))


@savable()
@dataclass(frozen=True)
class FourierFeatures(RandomOffsets):
    """Random offsets, uniform over a box: untrained kernels spread over all of it.

    Source: Tancik et al. 2020, eq. 5, with the roles of space and frequency exchanged.

    Args:
        reach: largest |n| on any axis, in pixels: how far the prior lets a kernel extend.
        features: number of offsets, no two of them equal or opposite; the MLP has twice as many inputs.
        seed: seed of the random offsets, which are uniform over the box of side 2 * reach + 1.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: `reach` or `features` is below 1, `reach` above a million pixels, or `features` above 16,384.
    """

    def draw(self, ndim: int) -> Tensor:
        side = 2 * self.reach + 1
        pairs = (side**ndim - 1) // 2
        if self.features > pairs:
            raise ValueError(
                f"features={self.features} is more than the {pairs} distinct waves of reach={self.reach} in {ndim}-d; "
                f"use at most {pairs}, or a larger reach"
            )
        # Points of the box, numbered row by row, come in opposite pairs p and side**ndim - 1 - p.
        numbers = random.Random(self.seed).sample(range(pairs), self.features)  # noqa: S311 - no secret
        # The digits of n in base `side` are the coordinates, from the corner of the box.
        return _tensor([[n // side**axis % side - self.reach for axis in range(ndim)] for n in numbers])


@savable()
@dataclass(frozen=True)
class MultiScaleFeatures(RandomOffsets):
    """Offsets from 1 pixel to `reach`, log-uniform in radius, in all directions: starts local, can learn to reach far.

    The neighbours of the centre come first, and only they have an amplitude above 0: an untrained filter has the
    kernels of the default. The first-layer weights of the others are zero, but have a gradient, so that training adds a
    far offset where that helps.

    Args:
        reach: largest |n|, in pixels. Products of waves in the network reach further, less easily.
        features: number of offsets, no two of them equal or opposite; the MLP has twice as many inputs.
        seed: seed of the random directions.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: `reach` or `features` is below 1, `reach` above a million pixels, or `features` above 16,384.
    """

    def draw(self, ndim: int) -> Tensor:
        near = Neighbors().draw(ndim).tolist()
        far = self.features - len(near)
        if far < 0:
            raise ValueError(
                f"features={self.features} must be at least {len(near)}, the neighbours of the centre in {ndim}-d"
            )
        source = random.Random(self.seed)  # noqa: S311 - no secret
        seen = {tuple(sign * n for n in offset) for offset in near for sign in (1, -1)} | {(0,) * ndim}
        for index in range(far):
            # Log-uniform from 2 pixels, since the neighbours cover 1, to `reach`; with reach=1 only 1 is left.
            radius = min(2, self.reach) * max(1, self.reach / 2) ** (index / max(far - 1, 1))
            for attempt in range(_TRIES):
                # Where all offsets near this radius are taken, as happens soon in 1-d, the next ones outward.
                length = min(self.reach, radius * (1 + attempt / 100))
                # A Gaussian vector has no preferred direction.
                direction = [source.gauss(0, 1) for _ in range(ndim)]
                offset = [round(length * x / math.hypot(*direction)) for x in direction]
                if tuple(offset) not in seen:
                    break
            else:
                raise ValueError(
                    f"features={self.features} is more than reach={self.reach} holds in {ndim}-d at radii that are "
                    "log-uniform; use fewer, or a larger reach"
                )
            near.append(offset)
            seen |= {tuple(offset), tuple(-n for n in offset)}
        return _tensor(near)

    def amplitudes(self, offsets: Tensor) -> Tensor:
        return (offsets.abs().amax(1) <= 1).float()


def _tensor(offsets: Sequence[Sequence[int]]) -> Tensor:
    # On the CPU even when a filter is built on the meta device, where the values would be lost.
    return torch.tensor(offsets, device="cpu")
