"""Peak memory from the allocator's own record."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(call: Callable[[], object], device: torch.device | None = None) -> int:
    """The largest number of bytes allocated at one time during a call, beyond those held before it.

    On a GPU its allocator counts them. On a CPU the profiler records every allocation and release of PyTorch's
    allocator, in all threads and inside operators, so temporaries count as much as what autograd keeps. What a library
    takes from the system by itself, such as the work space of an FFT plan, does not pass through it.
    """
    call()  # plans, caches
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        call()
    results = record.profiler.kineto_results
    events = sorted((e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]")
    live = peak = 0
    for _, size in events:
        live += size
        peak = max(peak, live)
    return peak
