"""The table of crossovers of a GPU: torch.fft, the fused kernels and direct sums against one another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch

from nifconv.spectral import _clocks, _products, fused
from nifconv.spectral._clocks import Clock
from nifconv.spectral._crossover import KINDS, MODES, Crossover, crossover_in_use
from nifconv.spectral._timing import MAPS, TAPS, as_table, crossovers, side_by_side

SIZES = (7, 14, 20, 28, 40, 56, 64, 80, 112)
"""Sides of the square maps on which the fused kernels are timed: those usual in networks, and one in every tile."""


def gpu_crossover(
    device: torch.device,
    clock: Clock,
    *,
    batch: int = 32,
    channels: int = 128,
    sizes: Sequence[int] = SIZES,
    maps: Sequence[int] = MAPS,
    taps: Sequence[int] = TAPS,
    repeats: int = 5,
    say: Callable[[str], object] = print,
) -> Crossover:
    """Times torch.fft against the fused kernels, then the faster one of each pair against direct sums.

    Args:
        device: a GPU.
        clock: times one call there.
        batch, channels: number of samples and channels of the maps.
        sizes: sides of the square maps on which the fused kernels are timed.
        maps, taps: as for `crossovers`.
        repeats: number of timed rounds.
        say: called with each line of the table as it is measured.
    """

    def time(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        return {name: timing.median for name, timing in side_by_side(calls, repeats, clock=clock).items()}

    shapes = [(batch, channels, size, size) for size in sorted(sizes)]
    speedups = fused.measure(fused.proven, _products, shapes, device, time)
    for direction, by_dtype in speedups.ratios.items():
        for dtype, rows in by_dtype.items():
            say(f"{direction}, {dtype}: " + (", ".join(f"{r:.2f} at {p} pixels" for p, r in rows) or "not proven here"))
    origin = {"device": _clocks.device_name(device), "batch": batch, "channels": channels, "repeats": repeats}
    # No limits yet: "auto" is then the faster product of spectra, never a direct sum.
    limits = {mode: {kind: [(1, 0)] for kind in KINDS} for mode in MODES}
    measured = []
    with crossover_in_use(Crossover(limits, origin, speedups)):
        for row in crossovers(
            batch=batch, channels=channels, maps=maps, taps=taps, repeats=repeats, device=device, clock=clock
        ):
            say("{}, {}, map of {} pixels: direct up to {} taps".format(*row))
            measured.append(row)
    return dataclasses.replace(as_table(measured, **origin), speedups=speedups)
