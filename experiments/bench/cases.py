"""The sizes that are measured."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One layer on square maps."""

    batch: int
    channels: int
    size: int

    @property
    def name(self) -> str:
        return f"({self.batch}, {self.channels}, {self.size})"

    @property
    def flops(self) -> float:
        """Of a training step: five transforms of n real values at 5/2 n log2(n), half of a complex FFT's usual count.

        To them 6 a bin for each of H X and conj(H) dY, and 8 for conj(X) dY, which is summed over the batch.
        """
        pixels = self.size**2
        return self.batch * self.channels * (5 * 2.5 * pixels * math.log2(pixels) + 20 * self._bins)

    @property
    def bytes(self) -> float:
        """Of a training step in float32 that moves each operand once a pass.

        Forward: x and H in, y out; backward: x, H and dy in, dx and dH out.
        """
        return 4 * self.channels * (5 * self.batch * self.size**2 + 3 * 2 * self._bins)

    @property
    def _bins(self) -> int:
        return self.size * (self.size // 2 + 1)


@dataclass(frozen=True)
class Config:
    """What one run measures.

    Attributes:
        cases: depthwise layers.
        dense: layers that sum over all channels.
        full_kernel_sizes: map sizes on which the direct convolution with a kernel as large as the map is timed; on
            larger maps it takes minutes.
        kernel_sizes: taps per axis on a map of size `kernel_map`, for the flatness in the size of the kernel.
        growth: map sizes for the growth of the time per pixel.
        models: names of torchvision models.
        model_batch, model_size: batch in training and input size of these models.
        inference_batches: batches of these models in inference.
        repeats, model_repeats: number of timed rounds.
        peer_repeats: number of timed rounds of peers that take a second or more for each.
    """

    cases: tuple[Case, ...] = (
        Case(32, 64, 56),
        Case(32, 128, 28),
        Case(32, 256, 14),
        Case(32, 512, 7),
        Case(128, 64, 32),
        Case(128, 128, 16),
        Case(128, 256, 8),
        Case(8, 64, 112),
    )
    dense: tuple[Case, ...] = (Case(32, 64, 56), Case(32, 128, 28), Case(32, 256, 14), Case(32, 512, 7))
    full_kernel_sizes: tuple[int, ...] = (7, 8, 14, 16, 28, 32)
    kernel_sizes: tuple[int, ...] = (7, 31, 63, 111, 223)
    kernel_map: int = 224
    growth: tuple[int, ...] = (32, 48, 64, 96, 128, 192, 256, 384, 512)
    models: tuple[str, ...] = ("resnet50", "convnext_tiny")
    model_batch: int = 4
    inference_batches: tuple[int, ...] = (1, 32)
    model_size: int = 224
    repeats: int = 5
    peer_repeats: int = 1
    model_repeats: int = 3


SMOKE = Config(
    cases=(Case(2, 4, 8), Case(1, 2, 14)),
    dense=(Case(2, 4, 8),),
    full_kernel_sizes=(8, 14),
    kernel_sizes=(3, 7),
    kernel_map=16,
    growth=(8, 12, 16),
    models=("resnet18",),
    model_batch=1,
    inference_batches=(1,),
    model_size=64,
    repeats=1,
    peer_repeats=1,
    model_repeats=1,
)
"""The same code path in seconds; the numbers mean nothing."""
