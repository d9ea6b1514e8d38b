"""Which operations the time of a training step goes to."""

from __future__ import annotations

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

_STEPS = 5
_SHOWN = 8


def shares(call: Callable[[], object]) -> dict[str, float]:
    """Operations by their share of the processor time that is spent in themselves, the largest first."""
    call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(_STEPS):
            call()
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(times.values())
    largest = sorted(times, key=lambda name: times[name], reverse=True)[:_SHOWN]
    return {name: times[name] / total for name in largest}
