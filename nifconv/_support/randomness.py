"""Random draws that depend on a seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nifconv._support.threads import one_thread


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Makes what is drawn depend on `seed` alone, and leaves the global random state as it was."""
    default = torch.get_default_dtype()
    # Sums over many terms have other last bits when threads share them.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"), one_thread():
        torch.default_generator.manual_seed(seed)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(default)
