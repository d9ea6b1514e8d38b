"""The table of compiled kernels: which combinations there are, which are in use, and a line for each of those."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from experiments.fused import compilation
from nifconv.spectral.fused._plans import Plan, plan

SQUARES = ((7, 7), (14, 14), (28, 28), (31, 31), (56, 56), (63, 63), (64, 64), (112, 112))
OBLONGS = ((14, 28), (28, 14), (14, 56), (56, 14), (28, 56), (56, 28), (56, 112), (112, 56))
SIDES = (15, 31, 63, 111)
"""One for each side of a tile; of odd maps no two pixels can be loaded together, which takes the most registers."""
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Case:
    """One program.

    Attributes:
        size: of the grid.
        dtype: of the maps.
        target: a key of `compilation.TARGETS`.
        gradients: whether it is that of the gradients.
        call: a key of `compilation.CALLS`.
    """

    size: tuple[int, int]
    dtype: torch.dtype
    target: str
    gradients: bool
    call: str = "plain"

    @property
    def plan(self) -> Plan | None:
        """What the library runs it with, None where torch.fft computes it."""
        return plan(self.size, self.dtype, self.target, gradients=self.gradients)

    def label(self) -> dict[str, Any]:
        """The case in the words of the table."""
        direction = "gradients" if self.gradients else "product"
        dtype = str(self.dtype).removeprefix("torch.")
        return {"size": list(self.size), "call": self.call, "dtype": dtype, "target": self.target} | {
            "direction": direction
        }


def every() -> Iterator[Case]:
    """All combinations, those included that torch.fft computes."""
    yield from _product((*SQUARES, *OBLONGS), DTYPES, "plain")
    # bfloat16 differs from float16 in nothing but how maps are loaded and stored.
    yield from _product(tuple(itertools.product(SIDES, SIDES)), DTYPES[:2], "general")


def _product(sizes: Sequence[tuple[int, int]], dtypes: Sequence[torch.dtype], call: str) -> Iterator[Case]:
    for size, dtype, target, gradients in itertools.product(sizes, dtypes, compilation.TARGETS, (False, True)):
        yield Case(size, dtype, target, gradients, call)


def row(case: Case) -> dict[str, Any]:
    """A line of the table.

    Raises:
        ValueError: torch.fft computes this case, so that there is nothing to compile.
    """
    if case.plan is None:
        raise ValueError(f"{case} has no plan, so that there is nothing to compile; see `_plans`")
    needs = compilation.program(case.plan, case.size, case.dtype, case.target, case.call, gradients=case.gradients)
    counted = compilation.traffic(case.plan, case.size, case.dtype, gradients=case.gradients)
    return {**case.label(), **vars(needs), **(counted if case.call == "plain" else {})}
