"""A checksum of named tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def sha256(tensors: Iterable[tuple[str, Tensor]]) -> Any:
    """A `hashlib` object fed with the name, shape, dtype and bytes of each tensor, in the order given."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        # As bytes, since numpy has no bfloat16; flattened first, since a scalar cannot be viewed as bytes.
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest
