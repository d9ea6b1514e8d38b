"""What results depend on besides their configuration."""

from __future__ import annotations

import platform
from typing import Any

import torch


def environment() -> dict[str, Any]:
    """Versions and threads, to be recorded with the configuration."""
    return {"torch": torch.__version__, "python": platform.python_version(), "threads": torch.get_num_threads()}


def processor() -> str:
    """The kind of processor, to be recorded with timings."""
    return f"{platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"
