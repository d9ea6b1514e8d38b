"""How long a call takes, by the clock of the machine or by that of a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

Clock = Callable[[Callable[[], object]], float]
"""Makes a call and returns the seconds that it took."""


def device_name(device: torch.device) -> str:
    """The name of a device in tables of measurements: "cpu", or the name of a GPU."""
    return torch.cuda.get_device_properties(device).name if device.type == "cuda" else device.type


def current_gpu() -> torch.device | None:
    """The GPU that torch uses where none is named; None on a machine without one."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else None


def clock_for(device: torch.device) -> Clock:
    """The clock that times calls on `device`."""
    return DeviceClock(device) if device.type == "cuda" else wall


def wall(call: Callable[[], object]) -> float:
    """Times a call by the clock of the machine, until a GPU has finished too."""
    _finish()
    start = time.perf_counter()
    call()
    _finish()
    return time.perf_counter() - start


def timed(call: Callable[[], Any], runs: int) -> tuple[Any, float]:
    """What a call returns, and the median time of `runs` further calls."""
    result = call()  # untimed: the first call fills caches and makes FFT plans
    return result, statistics.median(wall(call) for _ in range(runs))


class DeviceClock:
    """Times calls by events on a GPU, whose cache is overwritten first, as other layers do between two calls of one.

    Overwriting also keeps the GPU busy while the host launches what is timed.
    """

    def __init__(self, device: torch.device) -> None:
        cache = torch.cuda.get_device_properties(device).L2_cache_size
        self._other = torch.empty(2 * cache, dtype=torch.int8, device=device)
        self._start, self._end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def __call__(self, call: Callable[[], object]) -> float:
        self._other.zero_()
        self._start.record()
        call()
        self._end.record()
        self._end.synchronize()
        return self._start.elapsed_time(self._end) / 1000  # from milliseconds


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
