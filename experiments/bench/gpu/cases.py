"""The sizes that are measured on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from experiments.bench.cases import Case


@dataclass(frozen=True)
class Config:
    """What one run measures.

    Attributes:
        cases: depthwise layers.
        dtypes: of their maps.
        models: names of torchvision models.
        model_batch, model_size: batch and input size of these models.
        compilers: what they are compiled with, by torch.compile; None for not at all.
        repeats, model_repeats: number of timed rounds.
        copied: bytes of the copy that measures the bandwidth of the memory.
    """

    cases: tuple[Case, ...] = (
        Case(32, 384, 7),
        Case(32, 384, 14),
        Case(32, 384, 16),
        Case(32, 384, 28),
        Case(32, 384, 32),
        Case(32, 384, 56),
        Case(32, 384, 64),
        Case(32, 192, 112),
    )
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16)
    models: tuple[str, ...] = ("resnet50", "convnext_tiny")
    model_batch: int = 64
    model_size: int = 224
    compilers: tuple[str | None, ...] = (None, "inductor")
    repeats: int = 20
    model_repeats: int = 10
    copied: int = 1 << 30


SMOKE = Config(
    cases=(Case(2, 4, 8), Case(1, 2, 70)),
    models=("squeezenet1_1",),
    model_batch=2,
    model_size=32,
    compilers=(None, "eager"),
    repeats=1,
    model_repeats=1,
    copied=1 << 16,
)
"""The same code path in seconds, also on a CPU; the numbers mean nothing."""
