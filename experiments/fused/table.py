"""The table of compiled kernels: which combinations there are, which are in use, and a line for each of those."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch

from experiments.fused import compilation
from nifconv.spectral.fused._plans import plan

SQUARES = ((7, 7), (14, 14), (28, 28), (31, 31), (56, 56), (63, 63), (64, 64), (112, 112))
SIZES = (*SQUARES, (14, 56), (56, 14), (28, 56), (56, 112), (112, 56))
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

Case = tuple[tuple[int, int], torch.dtype, str, bool]
"""(size, dtype, target, whether of the gradients)."""


def every() -> Iterator[Case]:
    """All combinations, those included that torch.fft computes."""
    yield from itertools.product(SIZES, DTYPES, compilation.TARGETS, (False, True))


def admitted() -> Iterator[Case]:
    """The combinations with a plan."""
    for size, dtype, target, gradients in every():
        if plan(size, dtype, target, gradients=gradients) is not None:
            yield size, dtype, target, gradients


def row(case: Case) -> dict[str, Any]:
    """A line of the table."""
    size, dtype, target, gradients = case
    chosen = plan(size, dtype, target, gradients=gradients)
    if chosen is None:
        raise ValueError(f"{label(case)} has no plan, so that there is nothing to compile; see `_plans`")
    needs = compilation.program(chosen, size, dtype, target, gradients=gradients)
    counted = compilation.traffic(chosen, size, dtype, gradients=gradients)
    return {**label(case), **vars(needs), **counted}


def label(case: Case) -> dict[str, Any]:
    """A case in the words of the table."""
    size, dtype, target, gradients = case
    direction = "gradients" if gradients else "product"
    return {"size": list(size), "dtype": str(dtype).removeprefix("torch."), "target": target, "direction": direction}
