"""What the allocator of memory records, and whether it keeps what tensors release."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterator

import torch
from torch.profiler import ProfilerActivity, profile

# Parameters of glibc's mallopt, in bytes: the size from which a block is returned to the system at once, and how much
# may be free at the top of the heap. By default glibc raises both with the blocks that it sees, up to these values.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
_KEEPING = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: 2**31 - 1}


@contextlib.contextmanager
def kept_memory() -> Iterator[bool]:
    """Within it, memory that tensors release stays with the process; says whether that could be arranged.

    By default glibc returns large blocks to the system, so that every step of a training touches new pages, each with
    a page fault, and how long that takes depends on the system. Allocators that keep
    memory, such as jemalloc and tcmalloc, do not have this cost, and a net has it or not as a whole. Afterwards the
    thresholds are those that glibc's own rule ends at, and no longer change.
    """
    if sys.platform != "linux" or not hasattr(library := ctypes.CDLL(None), "mallopt"):
        yield False
        return
    done = [library.mallopt(parameter, value) for parameter, value in _KEEPING.items()]
    try:
        yield all(done)  # older versions refuse so large a threshold
    finally:
        for parameter, value in _USUAL.items():
            library.mallopt(parameter, value)
        library.malloc_trim(0)


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
