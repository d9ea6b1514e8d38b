"""Handwritten digits anywhere on a blank canvas, both of any size: the same digits for every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.tasks.batches import Batch
from experiments.tasks.canvas import compose
from experiments.tasks.handwritten import DIGIT, Digits, digit_pools

OBJECTS, CANVAS = "objects", "canvas"
"""What grows with the image: the digits too, or the canvas around them alone."""


@dataclass(frozen=True)
class Scene:
    """The sides of a digit and of the canvas around it, in pixels."""

    digit: int
    canvas: int


@dataclass(frozen=True)
class Scenes:
    """The task: called with a count and a generator, draws scenes `(n, 1, canvas, canvas)` and labels `(n,)`.

    Attributes:
        pool: digits of 8x8 pixels to draw from, 0 where there is no ink.
        scene: digits are bilinearly resized to it and stand anywhere on its canvas, wholly inside.
    """

    pool: Digits
    scene: Scene

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        drawn = torch.randint(len(self.pool), (count,), generator=generator)
        return place(self.pool.images[drawn], self.scene, generator), self.pool.labels[drawn]


def place(digits: Tensor, scene: Scene, generator: torch.Generator) -> Tensor:
    """Each digit `(n, 1, 8, 8)` once, at a random place of its own canvas: `(n, 1, canvas, canvas)`."""
    resized = nn.functional.interpolate(digits, scene.digit, mode="bilinear", align_corners=False)
    corners = torch.randint(scene.canvas - scene.digit + 1, (len(digits), 2), generator=generator)
    return compose(resized, corners.unsqueeze(1), scene.canvas)


def resolutions(trained: Scene, canvases: Sequence[int]) -> dict[str, dict[int, Scene]]:
    """The scenes to test on, by what grows and by canvas; the trained one is among them."""
    sizes = sorted({trained.canvas, *canvases})
    return {
        OBJECTS: {size: Scene(round(trained.digit * size / trained.canvas), size) for size in sizes},
        CANVAS: {size: Scene(trained.digit, size) for size in sizes},
    }


def source_pools() -> tuple[Digits, Digits, Digits]:
    """Digits of 8x8 pixels to train with, to validate with and to test with; blank pixels are 0."""
    pools = digit_pools(DIGIT)
    blank = pools.train.images.min()
    train, validation, test = (
        Digits(pool.images - blank, pool.labels) for pool in (pools.train, pools.validation, pools.test)
    )
    return train, validation, test
