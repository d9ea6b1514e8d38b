"""What a measure takes: the kernels of a layer, and whether they wrap around."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nifconv.footprint.measures import _size
from nifconv.spectral import windows

# Measures work in float64 with a few copies: about 100 MB at a time, whatever the layer.
_TAPS_AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)  # tensors have no truth value to compare by
class Kernels:
    """The kernels of one layer.

    Attributes:
        taps: real, `(out_channels, in_channels, *size)`, centred at `size // 2`.
        periodic: whether the kernels are as large as a map with circular padding, so that opposite ends are neighbours.
    """

    taps: Tensor
    periodic: bool = False

    def __len__(self) -> int:
        """Number of kernels."""
        return self.taps.shape[0] * self.taps.shape[1]

    @property
    def windows(self) -> tuple[int, ...]:
        """Window sides in pixels, the last axis of the ratios."""
        return windows(self.taps.shape[2:])

    @cached_property
    def mass_ratio(self) -> Tensor:
        """`footprint.mass_ratio` of each kernel, `(out_channels, in_channels, windows)`."""
        return torch.cat([_size.mass_ratio(part.taps) for part in self.parts]).view(*self.taps.shape[:2], -1)

    @cached_property
    def energy_ratio(self) -> Tensor:
        """`footprint.energy_ratio` of each kernel, `(out_channels, in_channels, windows)`."""
        return torch.cat([_size.energy_ratio(part.taps) for part in self.parts]).view(*self.taps.shape[:2], -1)

    @cached_property
    def parts(self) -> list[Kernels]:
        """The same kernels in portions that fit into memory in float64; `[self]` if all of them fit at once."""
        if self.taps.numel() <= _TAPS_AT_ONCE:
            return [self]
        flat = self.taps.flatten(0, 1).unsqueeze(1)  # (kernels, 1, *size)
        some = max(_TAPS_AT_ONCE * len(flat) // flat.numel(), 1)
        return [Kernels(part, self.periodic) for part in flat.split(some)]
