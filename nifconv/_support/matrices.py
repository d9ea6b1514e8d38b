"""Products of large matrices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nifconv._support.memory import in_huge_pages
from nifconv._support.modes import is_batched, is_observed


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """`torch.bmm`, with gradients that lie in memory as the operands do.

    Those of torch.bmm are contiguous, so the gradient of a transposed view would be transposed by a copy, which for
    large operands takes longer than the product.
    """
    return torch.bmm(a, b) if is_observed() else _Product.apply(a, b, None)


class _Product(torch.autograd.Function):
    """`a @ b`, in the layout of a third tensor if there is one. Its derivatives, of any order, are such products."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, like: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        if is_batched(a, b):
            return torch.bmm(a, b)
        room = a.new_empty(len(a), a.shape[1], b.shape[2]) if like is None else torch.empty_like(like)
        return torch.bmm(a, b, out=in_huge_pages(room))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        a, b = ctx.saved_tensors
        wants_a, wants_b, _ = ctx.needs_input_grad
        da = _Product.apply(dy, b.mH, a.detach()) if wants_a else None
        db = _Product.apply(a.mH, dy, b.detach()) if wants_b else None
        return da, db, None
