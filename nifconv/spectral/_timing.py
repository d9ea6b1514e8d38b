"""Timing of alternatives side by side, and the table of crossovers measured with it."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nifconv.spectral import _clocks, native
from nifconv.spectral._clocks import Clock, wall
from nifconv.spectral._convolution import convolve
from nifconv.spectral._crossover import Crossover, kind
from nifconv.spectral._geometry import Geometry
from nifconv.spectral._kernel import Kernel

MAPS = (7, 14, 28, 56)
TAPS = (1, 3, 5, 7, 9, 11, 13, 15, 19, 23, 31)
_CLEAR_LOSS = 1.5  # after two ratios above this in a row, larger kernels are not tried


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median of all repeats, and the quartiles around it."""

    median: float
    low: float
    high: float


def side_by_side(
    calls: Mapping[str, Callable[[], object]], repeats: int, *, warmup: int = 2, clock: Clock = wall
) -> dict[str, Timing]:
    """Times calls in turn, so that whatever else the machine does in the meantime affects all of them alike.

    Args:
        calls: the calls by name.
        repeats: number of timed rounds.
        warmup: number of untimed rounds before them, for plans, caches and clocks.
        clock: times one call; see `clock_for`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warmup + repeats):
        for name, call in calls.items():
            elapsed = clock(call)
            if turn >= warmup:
                seconds[name].append(elapsed)
    return {name: _timing(values) for name, values in seconds.items()}


def crossovers(
    *,
    batch: int = 16,
    channels: int = 32,
    maps: Sequence[int] = MAPS,
    taps: Sequence[int] = TAPS,
    repeats: int = 5,
    device: str | torch.device = "cpu",
    clock: Clock = wall,
) -> Iterator[tuple[str, str, int, int]]:
    """For each mode, kind and 2-d map, up to how many taps the direct sum is faster; see `Crossover`.

    The limits of one mode and kind are those that together lose the least time, the sum of the logarithms of the
    ratios on their wrong sides, with none above that of a smaller map: an FFT of few pixels has the most overhead. So
    one disturbed measurement neither ends a search nor makes a lone exception of a map.

    Yields:
        (mode, kind, pixels of the map, taps) as soon as a mode and kind is measured; 0 taps where the FFT always wins.
    """
    for mode in ("inference", "training"):
        for groups, padding_mode, engine in _contests(channels, torch.device(device)):
            ratios = []
            for size in sorted(maps):
                x = torch.randn(batch, channels, size, size, device=device)
                # Circular padding cannot wrap around twice.
                fitting = [k for k in taps if padding_mode == "zeros" or k // 2 <= size]
                measured: list[float] = []
                for k in fitting:
                    weight = torch.randn(channels, channels // groups, k, k, device=device)
                    calls = {m: _call(x, weight, padding_mode, m, mode == "training") for m in (engine, "direct")}
                    timings = side_by_side(calls, repeats, clock=clock)
                    measured.append(timings["direct"].median / timings[engine].median)
                    if len(measured) > 1 and min(measured[-2:]) > _CLEAR_LOSS:
                        break
                ratios.append(measured)
            name = kind(depthwise=groups > 1, wraps=padding_mode == "circular", native=engine == "native")
            for size, count in zip(sorted(maps), _limits(ratios, len(taps)), strict=True):
                yield mode, name, size * size, taps[count - 1] ** 2 if count else 0


def _contests(channels: int, device: torch.device) -> Iterator[tuple[int, str, str]]:
    """Groups, padding mode, and the engine that a direct sum is measured against."""
    on_cpu = _clocks.device_name(device) == "cpu"
    for groups, padding_mode in itertools.product((channels, 1), ("zeros", "circular")):
        # On a GPU what "auto" takes there: its table has no limits yet, so that this is no direct sum.
        yield groups, padding_mode, "fft" if on_cpu else "auto"
        if on_cpu and native.engine() is not None:
            yield groups, padding_mode, "native"


def _limits(ratios: Sequence[Sequence[float]], steps: int) -> list[int]:
    """How many of the growing kernels to compute directly on each of the growing maps, from time direct / by FFT.

    Kernels that were not measured, past the end of a list, count for neither method.
    """
    # By dynamic programming from the largest map to the smallest, since limits must not grow with the map.
    best: list[tuple[float, list[int]]] = [(0.0, [])] * (steps + 1)
    for row in reversed(ratios):
        # gains[n]: time saved, as a logarithm, if the n smallest kernels are computed directly
        gains = [0.0, *itertools.accumulate(-math.log(ratio) for ratio in row)]
        gains += [gains[-1]] * (steps + 1 - len(gains))
        rows = [(gain + later, [n, *limits]) for n, (gain, (later, limits)) in enumerate(zip(gains, best, strict=True))]
        # best[n]: the most that this map and the larger ones gain with up to n kernels
        best = list(itertools.accumulate(rows, _better))
    return best[-1][1]


def _better(one: tuple[float, list[int]], other: tuple[float, list[int]]) -> tuple[float, list[int]]:
    """The larger gain; of equal ones the first, with fewer direct sums."""
    return one if one[0] >= other[0] else other


def as_table(rows: Sequence[tuple[str, str, int, int]], **origin: Any) -> Crossover:
    """The table of what `crossovers` yielded."""
    limits: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for mode, name, pixels, limit in rows:
        limits.setdefault(mode, {}).setdefault(name, []).append((pixels, limit))
    return Crossover(limits, {"torch": torch.__version__, "threads": torch.get_num_threads(), **origin})


def _call(x: Tensor, weight: Tensor, padding_mode: str, method: str, training: bool) -> Callable[[], object]:
    pad, groups = weight.shape[-1] // 2, x.shape[1] // weight.shape[1]
    # Copies, since the inputs of one contest serve several methods, each with a gradient of its own.
    x, weight = x.clone().requires_grad_(training), weight.clone().requires_grad_(training)
    dy = torch.randn_like(x)

    kernel_size = tuple(weight.shape[2:])
    geometry = Geometry(tuple(x.shape[2:]), kernel_size, (1, 1), ((pad, pad),) * 2, (1, 1), padding_mode)

    def call() -> None:
        y = convolve(x, Kernel(weight), geometry, groups, None, method)
        if training:
            torch.autograd.grad(y, (x, weight), dy)

    return call


def _timing(seconds: Sequence[float]) -> Timing:
    # Quartiles need two values; a single repeat has no spread.
    low, median, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
    return Timing(median, low, high)
