"""Kernels whose measures are known."""

from __future__ import annotations

import torch
from torch import Tensor

SIZES = [(1,), (7,), (8,), (7, 7), (8, 8), (5, 8), (3, 4, 5), (1, 6)]


def centre(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n // 2 for n in size)


def delta(size: tuple[int, ...], offset: tuple[int, ...] | None = None) -> Tensor:
    taps = torch.zeros(1, 1, *size)
    place = centre(size) if offset is None else tuple(c + o for c, o in zip(centre(size), offset, strict=True))
    taps[(0, 0, *place)] = -2.0
    return taps


def box(size: tuple[int, ...], side: int) -> Tensor:
    taps = torch.zeros(1, 1, *size)
    inside = tuple(slice(c - side // 2, c + side // 2 + 1) for c in centre(size))
    taps[(0, 0, *inside)] = 0.5
    return taps


def gaussian(size: tuple[int, ...], *sigmas: float) -> Tensor:
    """exp(-sum_a n_a^2 / (2 sigma_a^2)), float64: its energy has the variance sigma_a^2 / 2 on each axis."""
    taps = torch.ones(size, dtype=torch.float64)
    for axis, (n, sigma) in enumerate(zip(size, sigmas, strict=True)):
        line = torch.exp(-(torch.arange(n).double() - n // 2).square() / (2 * sigma**2))
        taps = taps * line.view(-1, *(1,) * (len(size) - axis - 1))
    return taps[None, None]


def checkerboard(size: tuple[int, ...]) -> Tensor:
    """The sign (-1)^(n_1 + .. + n_d), 1 at the centre."""
    taps = torch.ones(size)
    for axis, n in enumerate(size):
        line = 1.0 - 2 * ((torch.arange(n) - n // 2) % 2)
        taps = taps * line.view(-1, *(1,) * (len(size) - axis - 1))
    return taps[None, None]
