"""A limit on what torch allocates while it builds something whose size a stranger chose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

_LEAST = 2**14
"""Bytes that every tensor counts at least: with the modules around it, an empty one takes some too."""


class AllocationLimit(TorchDispatchMode):
    """Inside, this thread allocates at most `limit` bytes for tensors, those counted that are freed again.

    Each operation that returns new memory runs without memory first, on the device "meta", which tells how much that
    would be. Not counted are results whose shape depends on values, and memory that torch does not allocate.

    Args:
        limit: in bytes.

    Raises:
        ValueError: an operation would exceed it; it does not run.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = self._left = limit

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        # What is returned is new memory where the schema does not call it an alias of an argument.
        if any(returned.alias_info is None for returned in func._schema.returns):
            self._left -= _bytes(func, args, kwargs)
            if self._left < 0:
                raise ValueError(f"building it would allocate more than {self._limit / 2**20:,.0f} MiB")
        return func(*args, **kwargs)


def _bytes(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """How much memory the results of an operation take."""
    bare_args, bare = tree_map(_bare, (args, kwargs))
    if any(argument.name == "device" for argument in func._schema.arguments):
        bare = {**bare, "device": "meta"}
    try:
        results = tree_leaves(func(*bare_args, **bare))
    except Exception:  # the result depends on values, or the operation fails with memory as well
        return 0
    return sum(max(one.untyped_storage().nbytes(), _LEAST) for one in results if isinstance(one, Tensor))


def _bare(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
