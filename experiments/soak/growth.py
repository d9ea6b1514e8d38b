"""Memory, threads and open files of a process that trains on maps of ever other sizes."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nifconv import FrequencyConv2d, LCConv2d

BOUND = 1.0
"""Kilobytes a step: 5 MB in 5,000 steps, where one leaked map of the smallest size would be 2."""


def grow(steps: int) -> dict[str, Any]:
    """Trains two layers for `steps` steps, each at another size, and fits a line to the memory of the second half.

    Raises:
        AssertionError: memory grows by more than `BOUND`, or threads or open files become more.
    """
    torch.manual_seed(0)
    chance = random.Random(0)  # noqa: S311 - reproducible, not secret
    net = torch.nn.Sequential(FrequencyConv2d(3, 6, padding_mode="zeros"), LCConv2d(6, 4, expansion=2))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    memory, held = [], (0, 0)
    for step in range(steps):
        x = torch.randn(2, 3, chance.randint(8, 40), chance.randint(8, 40))
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
        memory.append(_resident())
        if step == steps // 2:  # what is cached or started once is there by now
            held = _held()
    half = np.array(memory[steps // 2 :])
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0])
    after = _held()
    assert slope <= BOUND, f"memory grows by {slope:.2f} kB a step"
    assert after <= held, f"threads and open files were {held} and are {after}"
    return {"steps": steps, "slope": slope, "bound": BOUND, "resident": half[-1] / 1000}


def _resident() -> float:
    """Memory in RAM, in kB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1000


def _held() -> tuple[int, int]:
    """Threads and open files."""
    return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))
