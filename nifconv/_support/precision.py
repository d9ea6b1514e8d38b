"""Keeping mixed precision out of transforms."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast, which would compute products of spectra, and so the result, in half precision."""
    if _has_autocast(device.type):  # torch.autocast raises on a device without it, such as "meta"
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def _has_autocast(kind: str) -> bool:
    return torch.amp.is_autocast_available(kind)


# The compiler of torch 2.8 cannot look inside. This is what `torch.compiler.assume_constant_result` does after it has
# imported the compiler, which takes longer than importing all of this library.
_has_autocast._dynamo_marked_constant = True  # type: ignore[attr-defined]
