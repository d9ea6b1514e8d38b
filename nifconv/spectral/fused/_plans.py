"""How a map is laid on the chip, and which combinations are left to torch.fft because they do not fit there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

SMALLEST, LARGEST = 4, 112


@dataclass(frozen=True)
class Plan:
    """The shape of one program.

    Attributes:
        tile: rows and columns of a plane on the chip, powers of two that hold the map.
        planes: samples computed at a time.
        warps: of 32 threads (64 on AMD).
        stages: of the loop over samples that are in flight.
        held: whether the spectrum stays in registers over that loop.
    """

    tile: tuple[int, int]
    planes: int
    warps: int
    stages: int
    held: bool


def plan(size: tuple[int, int], dtype: torch.dtype, *, gradients: bool) -> Plan | None:
    """The plan for maps of `size`, or None where no program of acceptable size is known."""
    if min(size) < SMALLEST or max(size) > LARGEST:
        return None
    rows, columns = (max(16, 1 << (n - 1).bit_length()) for n in size)
    return Plan((rows, columns), max(1, 2048 // (rows * columns)), 4, 1, rows * columns <= 4096)
