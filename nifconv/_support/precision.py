"""Keeping mixed precision out of transforms."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast, which would compute products of spectra, and so the result, in half precision."""
    if torch.amp.is_autocast_available(device.type):  # torch.autocast raises on a device without it, such as "meta"
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
