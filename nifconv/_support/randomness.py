"""Random draws that depend only on a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nifconv._support.threads import one_thread


def draw_seed(*parts: object) -> int:
    """A seed of 64 bits that depends on all the parts and on nothing else."""
    # Not Python's hash(), which differs from process to process.
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)  # signed, to fit into an int64 tensor


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A context whose random draws depend only on `seed`; the global random state is restored."""
    default = torch.get_default_dtype()
    # No devices: saving the state of every GPU would initialise CUDA, and all draws are made on the CPU.
    # One thread, since the last bits of a sum over many terms depend on how threads share it.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"), one_thread():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs too
        torch.set_default_dtype(torch.float32)  # draws in float64 are other numbers, not the same with more digits
        try:
            yield
        finally:
            torch.set_default_dtype(default)
