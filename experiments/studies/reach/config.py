"""What the numbers of the study depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """What all runs share.

    Attributes:
        seeds: seeds of the canvases and the initial weights.
        distances: displacements of the digits in pixels.
        lengths: lengths of the contours in pixels.
        contour_canvas: side of the Pathfinder canvas.
        kernel_sizes: kernel sizes besides kernels as large as the map.
        displaced_width, contour_width: channels.
        hidden, features: of the implicit filters and their Fourier features.
        displaced_steps, contour_steps: batches to train with, all of them new.
        displaced_rate, contour_rate: peaks of the one-cycle learning rate.
        test_images: canvases drawn for each seed.
        null: re-initialised copies of each layer that trained kernels are compared with.
        windows: windows that trained global kernels are cut to.
        cut_images: number of test images that each cut is measured on.
    """

    seeds: tuple[int, ...] = (1, 2, 3, 4)
    distances: tuple[int, ...] = (10, 16, 22)
    lengths: tuple[int, ...] = (6, 10, 14)
    contour_canvas: int = 32
    kernel_sizes: tuple[int, ...] = (3, 7, 31)
    displaced_width: int = 12
    contour_width: int = 16
    hidden: tuple[int, ...] = (16, 16)
    features: int = 32
    batch_size: int = 32
    displaced_steps: int = 80
    contour_steps: int = 280
    displaced_rate: float = 0.02
    contour_rate: float = 0.005
    test_images: int = 512
    null: int = 10
    windows: tuple[int, ...] = (3, 7, 11, 15, 19, 23, 27, 31)
    cut_images: int = 256


SMOKE = Config(
    seeds=(1, 2),
    distances=(10, 22),
    lengths=(6, 10),
    contour_canvas=24,
    kernel_sizes=(3,),
    displaced_width=2,
    contour_width=2,
    hidden=(4,),
    features=4,
    batch_size=8,
    displaced_steps=2,
    contour_steps=2,
    test_images=16,
    null=2,
    windows=(3, 7),
    cut_images=8,
)
"""The same code path in seconds; the accuracies mean nothing."""
