"""Displaced digits: two handwritten digits on a canvas that wraps around, and the question how far apart they are.

The class is the displacement between the digits alone. Which digits they are and where they stand is independent of
it, and the canvas wraps around, so that no border tells a position. A network with global average pooling can solve
a class only with filters that see both digits at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.tasks import canvas
from experiments.tasks.batches import Batch
from experiments.tasks.handwritten import split_digits

CANVAS = 48
DISTANCES = (10, 14, 18, 22)
DIRECTIONS = {
    "right": (0, 1),
    "down": (1, 0),
    "down right": (1, 1),
    "down left": (1, -1),
    "steeply": (1, 0.5),
    "gently": (0.5, 1),
}
"""Unit displacements (down, right) of the second digit from the first, by name."""
AXES = ("right", "down")
DIAGONALS = ("down right", "down left")
OBLIQUE = ("steeply", "gently")


def displacements(distances: Sequence[int], directions: Sequence[str] = AXES) -> tuple[tuple[int, int], ...]:
    """(down, right) of the second digit from the first, in pixels, by class, direction by direction."""
    units = [DIRECTIONS[name] for name in directions]
    return tuple((int(d * down), int(d * right)) for down, right in units for d in distances)


DISPLACEMENTS = displacements(DISTANCES)


@dataclass(frozen=True)
class Canvases:
    """A balanced set of canvases and how each was made.

    Attributes:
        images: `(n, 1, size, size)`, float32 in [0, 1].
        labels: `(n,)`, index into the displacements.
        digits: `(n, 2)`, which digits of the pool they show.
        corners: `(n, 2)`, row and column of the first digit's upper left pixel.
    """

    images: Tensor
    labels: Tensor
    digits: Tensor
    corners: Tensor


@dataclass(frozen=True)
class DisplacedDigits:
    """The task: called with a count and a generator, draws images `(n, 1, size, size)` and labels.

    Attributes:
        pool: digits to draw from, `(m, 8, 8)`.
        distances: in pixels along the longer axis, ascending, from 8 (digits do not overlap) to half the canvas.
        size: height and width of a canvas.
        directions: names in `DIRECTIONS`; each distance in each direction is a class.
    """

    pool: Tensor
    distances: tuple[int, ...] = DISTANCES
    size: int = CANVAS
    directions: tuple[str, ...] = AXES

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        offsets = displacements(self.distances, self.directions)
        canvases = draw_canvases(self.pool, count, generator, offsets, self.size)
        return canvases.images, canvases.labels


def displaced_digits(
    distances: tuple[int, ...] = DISTANCES, directions: tuple[str, ...] = AXES
) -> tuple[DisplacedDigits, DisplacedDigits]:
    """The task to train with and, of digits disjoint from those, to test with."""
    pools = split_digits(validation=())
    train, test = (
        DisplacedDigits(pool.images.squeeze(1), distances, directions=directions) for pool in (pools.train, pools.test)
    )
    return train, test


def compose(pool: Tensor, digits: Tensor, corners: Tensor, offsets: Tensor, size: int = CANVAS) -> Tensor:
    """Puts two digits on each canvas: the first at its corner, the second displaced from it.

    Args:
        pool: `(m, 8, 8)`.
        digits: `(n, 2)`, indices into the pool.
        corners: `(n, 2)`, row and column of the first digit.
        offsets: `(n, 2)`, pixels down and right, at least 8 on one axis so that the digits do not overlap.
        size: height and width of a canvas.

    Returns:
        `(n, 1, size, size)`. What leaves the canvas on one side enters it on the other.
    """
    return canvas.compose(pool[digits], torch.stack([corners, corners + offsets], dim=1), size)


def draw_canvases(
    pool: Tensor,
    count: int,
    generator: torch.Generator,
    displaced: Sequence[tuple[int, int]] = DISPLACEMENTS,
    size: int = CANVAS,
) -> Canvases:
    """Draws `count` canvases, as many of each class as of any other (but for a remainder), in random order."""
    offsets = torch.tensor(displaced)
    labels = torch.arange(count)[torch.randperm(count, generator=generator)] % len(offsets)
    digits = torch.randint(len(pool), (count, 2), generator=generator)
    corners = torch.randint(size, (count, 2), generator=generator)
    images = compose(pool, digits, corners, offsets[labels], size)
    return Canvases(images, labels, digits, corners)
