"""What the numbers of the study depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """What all runs share.

    Attributes:
        seeds: of canvases, their order and the initial weights.
        distances: of the digits, in pixels, where all are classes of one task, and where each is a task of its own.
        lengths: of the contours of Pathfinder, in pixels.
        width, contour_width: channels.
        steps, contour_steps, batch_size: of training.
        rates, contour_rates: learning rates that each arm chooses from.
        test_canvases: the same ones for all seeds.
        windows: sides that trained kernels are cut to, in pixels.
    """

    seeds: tuple[int, ...] = tuple(range(200, 208))
    distances: tuple[int, ...] = (10, 16, 22)
    lengths: tuple[int, ...] = (6, 14)
    width: int = 12
    contour_width: int = 16
    steps: int = 240
    contour_steps: int = 280
    batch_size: int = 32
    rates: tuple[float, ...] = (0.01, 0.03, 0.09)
    contour_rates: tuple[float, ...] = (0.005, 0.015, 0.045)
    test_canvases: int = 512
    windows: tuple[int, ...] = (3, 7, 11, 15, 19, 23, 31, 48)


SMOKE = Config(
    seeds=(0, 1),
    distances=(10, 22),
    width=4,
    contour_width=4,
    steps=2,
    contour_steps=2,
    batch_size=8,
    rates=(0.01,),
    contour_rates=(0.01,),
    test_canvases=16,
    windows=(3, 48),
)
"""The same code path in seconds; the numbers mean nothing."""
