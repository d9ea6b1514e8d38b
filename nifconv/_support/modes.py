"""Who watches what is computed."""

from __future__ import annotations

import torch
from torch import Tensor


def is_observed() -> bool:
    """Whether a compiler, exporter, transformation or dispatch mode is active, which has to see the computation."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return True
    # vmap, grad and the like of torch.func; forward-mode derivatives; then modes such as that of fake tensors
    if torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0:
        return True
    return torch._C._len_torch_dispatch_stack() > 0


def is_batched(*tensors: Tensor) -> bool:
    """Whether one of them stands for several, as in `torch.autograd.grad(..., is_grads_batched=True)`.

    No transformation is active then, but no result can be written into a given tensor.
    """
    return any(torch._C._functorch.is_legacy_batchedtensor(tensor) for tensor in tensors)
