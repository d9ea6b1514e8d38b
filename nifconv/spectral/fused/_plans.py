"""How a map is laid on the chip, and which combinations are left to torch.fft because they do not fit there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

SMALLEST, LARGEST = 4, 112
# Processors with instructions for a group of four warps, which multiply tiles of 64 rows and more.
_WARP_GROUPS = ("sm_90", "sm_100")
ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "gfx942")
# The largest tiles, in pixels, for (16 bit, float32) and each direction. Beyond them registers spill or shared memory
# does not suffice, on some architecture, for odd maps at the latest. Groups of warps spread a tile over more of them.
_LARGEST_GROUPED = {"product": (16384, 8192), "gradients": (8192, 4096)}
_LARGEST_TILE = {"product": (4096, 1024), "gradients": (4096, 1024)}
_LARGEST_ELONGATED = {"product": (1024, 1024), "gradients": (1024, 0)}


@dataclass(frozen=True)
class Plan:
    """The shape of one program.

    Attributes:
        tile: rows and columns of a plane on the chip, powers of two that hold the map.
        planes: samples computed at a time.
        flat: whether a single plane is multiplied as a matrix, which warp groups need, or as a batch of one, which
            Triton shares among warps by rows and columns instead of rows alone.
        warps: number of warps, of 32 threads each (64 on AMD).
        stages: iterations of the loop over samples that are in flight at a time.
    """

    tile: tuple[int, int]
    planes: int
    flat: bool
    warps: int
    stages: int


def plan(size: tuple[int, int], dtype: torch.dtype, architecture: str, *, gradients: bool) -> Plan | None:
    """The plan for maps of `size`, or None where no program that fits is known: torch.fft computes those."""
    if architecture not in ARCHITECTURES or min(size) < SMALLEST or max(size) > LARGEST:
        return None
    whole = whole_plan(size, architecture)
    rows, columns = whole.tile
    elongated = max(rows, columns) > 2 * min(rows, columns)
    grouped = whole.flat and architecture in _WARP_GROUPS
    largest = _LARGEST_GROUPED if grouped else _LARGEST_ELONGATED if elongated else _LARGEST_TILE
    limit = largest["gradients" if gradients else "product"][dtype == torch.float32]
    return whole if rows * columns <= limit else None


def whole_plan(size: tuple[int, int], architecture: str) -> Plan:
    """The plan for maps of `size`, however large the program."""
    rows, columns = (max(16, 1 << (n - 1).bit_length()) for n in size)
    area = rows * columns
    warps = 4 if area <= 2048 else 8
    if architecture == "gfx942":
        # There the compiler gives each warp planes of its own, and all warps the same one where planes are fewer.
        planes = max(1, 1024 * warps // area) if area <= 1024 else 1
        return Plan((rows, columns), planes, planes == 1, warps, 1)
    flat = architecture in _WARP_GROUPS and rows >= 64 and columns >= 64
    return Plan((rows, columns), max(1, 2048 // area), flat, warps, 1 if flat else 2)


def architecture(device: torch.device) -> str:
    """Which of `ARCHITECTURES` a GPU's programs resemble; "" if that is unknown."""
    if torch.version.hip is not None:
        name = torch.cuda.get_device_properties(device).gcnArchName
        return "gfx942" if name.startswith(("gfx942", "gfx950")) else ""
    major, _ = torch.cuda.get_device_capability(device)
    # Consumer Blackwell (12) has the instructions of Ampere (8).
    return {8: "sm_80", 9: "sm_90", 10: "sm_100", 12: "sm_80"}.get(major, "")
