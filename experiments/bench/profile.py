"""Time of a training step by operation."""

from __future__ import annotations

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

_STEPS = 5
_SHOWN = 8


def shares(call: Callable[[], object]) -> dict[str, float]:
    """The operations with the largest shares of the processor time, without the operations they call."""
    call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(_STEPS):
            call()
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(times.values())
    largest = sorted(times, key=lambda name: times[name], reverse=True)[:_SHOWN]
    return {name: times[name] / total for name in largest}
