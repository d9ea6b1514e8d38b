"""Large tensors in huge pages."""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
from collections.abc import Callable

from torch import Tensor

# From here on glibc takes memory from the system for each tensor and gives it back with the tensor.
_LARGE = 32 << 20
_MADV_HUGEPAGE = 14


def in_huge_pages(new: Tensor) -> Tensor:
    """Asks the system for huge pages under a tensor that has not been written yet, and returns the tensor.

    A large tensor made in each training step is new memory in each, and the first access to each of its pages of 4 KiB
    is a page fault. With dense kernels as large as the map, a step spends much of its time on these.
    On Linux on a CPU; elsewhere, and for tensors below 32 MiB, nothing happens.
    """
    advise = _advise()
    if new.device.type == "cpu" and new.nbytes >= _LARGE and advise is not None:
        first = -(-new.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        advise(first, new.data_ptr() + new.nbytes - first, _MADV_HUGEPAGE)  # a wish: whether it is met does not matter
    return new


@functools.cache
def _advise() -> Callable[[int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function
