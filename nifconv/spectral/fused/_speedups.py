"""Where the fused kernels are faster than torch.fft: on one device, by measurement alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nifconv import frequency
from nifconv.spectral._transforms import Placement
from nifconv.spectral.fused._proof import Backend, Proven, Verdict

_WANTS: dict[str, tuple[bool, ...]] = {"forward": (), "gradients": (True, True)}
DIRECTIONS = tuple(_WANTS)
DTYPES = ("float32", "float16", "bfloat16")

Timer = Callable[[Mapping[str, Callable[[], object]]], Mapping[str, float]]
"""Times the named calls in turn and returns the seconds of each."""


@dataclass(frozen=True)
class Speedups:
    """Time by torch.fft over that by the fused kernels, for each direction by itself: either can be chosen alone.

    Attributes:
        ratios: `ratios[direction][dtype]` holds pairs (pixels of the grid, ratio), in the order of growing grids.
    """

    ratios: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]

    @staticmethod
    def parse(data: Any) -> Speedups:
        """From the JSON of `ratios`.

        Raises:
            ValueError, KeyError, TypeError, AttributeError, OverflowError: it is something else.
        """
        ratios = {
            direction: {dtype: [(int(p), float(r)) for p, r in rows] for dtype, rows in data[direction].items()}
            for direction in DIRECTIONS
        }
        for rows in (rows for by_dtype in ratios.values() for rows in by_dtype.values()):
            if not all(pixels > 0 and 0 < ratio < math.inf for pixels, ratio in rows):
                raise ValueError(f"grids and ratios must be above 0, but are {rows}")
        return Speedups(ratios)

    def prefers_fused(self, direction: str, dtype: torch.dtype, pixels: int) -> bool:
        """Whether the measured grid whose size is nearest was faster; False outside the range of sizes measured."""
        rows = self.ratios[direction].get(_name(dtype), ())
        if not rows or not rows[0][0] <= pixels <= rows[-1][0]:
            return False
        _, ratio = min(rows, key=lambda row: abs(math.log(row[0] / pixels)))
        return ratio > 1


def measure(
    candidate: Proven,
    reference: Backend,
    shapes: Iterable[tuple[int, int, int, int]],
    device: torch.device,
    time: Timer,
) -> Speedups:
    """Times both backends on depthwise circular convolutions, where the candidate is proven to be right.

    Args:
        candidate: the fused kernels.
        reference: the products by torch.fft.
        shapes: shapes of x, (batch, channels, rows, columns), in the order of growing maps.
        device: where to measure.
        time: times calls side by side.
    """
    ratios: dict[str, dict[str, list[tuple[int, float]]]] = {d: {dtype: [] for dtype in DTYPES} for d in DIRECTIONS}
    for shape in shapes:
        for dtype in DTYPES:
            operands = example(shape, getattr(torch, dtype), device)
            for direction in DIRECTIONS:
                if not candidate.verdict(direction, *operands, *_WANTS[direction]).proven:
                    continue  # it would be torch.fft against itself
                seconds = time({
                    "fused": _call(candidate, direction, operands), "fft": _call(reference, direction, operands)
                })  # fmt: skip
                ratios[direction][dtype].append((math.prod(shape[2:]), seconds["fft"] / seconds["fused"]))
    return Speedups(ratios)


def examine(candidate: Proven, shapes: Iterable[tuple[int, int, int, int]], device: torch.device) -> Iterator[Verdict]:
    """A verdict for each shape, dtype and direction; where no kernel is meant for one, that is its reason."""
    for dtype in DTYPES:
        for direction in DIRECTIONS:
            for shape in shapes:
                operands = example(shape, getattr(torch, dtype), device)
                yield candidate.verdict(direction, *operands, *_WANTS[direction])


def example(shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device) -> tuple[Any, ...]:
    """x, the spectrum's pairs, groups, and where the pixels of x and y lie: a depthwise circular convolution."""
    _, channels, *size = shape
    placement = Placement(tuple(size), tuple(size), (1, 1))
    spectrum = torch.randn(channels, 1, *frequency.half_shape(size), 2, device=device)
    return torch.randn(shape, device=device).to(dtype), spectrum, channels, placement, placement


def _call(backend: Backend, direction: str, operands: tuple[Any, ...]) -> Callable[[], object]:
    x, spectrum, *rest = operands
    if direction == "forward":
        return lambda: backend.forward(x, spectrum, *rest)
    dy = torch.randn_like(x)
    return lambda: backend.gradients(x, spectrum, dy, *rest, *_WANTS["gradients"])


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
