"""Displaced digits: two handwritten digits on a torus, and the question how far apart they are.

The class is the displacement between the digits alone. Which digits they are and where they stand is independent of
it, and the canvas wraps around, so that no border tells a position. A network with global average pooling can solve
a class only with filters that see both digits at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor

CANVAS = 48
DIGIT = 8
DISTANCES = (10, 14, 18, 22)
DISPLACEMENTS = tuple((0, d) for d in DISTANCES) + tuple((d, 0) for d in DISTANCES)
"""(down, right) of the second digit from the first, in pixels, by class."""
CLASS_NAMES = tuple(f"{max(d)} px {'down' if d[0] else 'right'}" for d in DISPLACEMENTS)

TEST_EVERY = 5


@dataclass(frozen=True)
class Canvases:
    """A balanced set of canvases and how each was made.

    Attributes:
        images: `(n, 1, 48, 48)`, float32 in [0, 1].
        labels: `(n,)`, index into `DISPLACEMENTS`.
        digits: `(n, 2)`, which digits of the pool they show.
        corners: `(n, 2)`, row and column of the first digit's upper left pixel.
    """

    images: Tensor
    labels: Tensor
    digits: Tensor
    corners: Tensor


def digit_pools() -> tuple[Tensor, Tensor]:
    """The digits to train with and, disjoint from them, to test with: each `(n, 8, 8)`, float32 in [0, 1].

    Every fifth image of scikit-learn's `load_digits` is for the test.
    """
    digits = torch.from_numpy(load_digits().images).float() / 16
    test = torch.arange(len(digits)) % TEST_EVERY == 0
    return digits[~test], digits[test]


def compose(pool: Tensor, digits: Tensor, corners: Tensor, displacements: Tensor) -> Tensor:
    """Puts two digits on each canvas: the first at its corner, the second displaced from it.

    Args:
        pool: `(m, 8, 8)`.
        digits: `(n, 2)`, indices into the pool.
        corners: `(n, 2)`, row and column of the first digit.
        displacements: `(n, 2)`, pixels down and right, at least 8 on one axis so that the digits do not overlap.

    Returns:
        `(n, 1, 48, 48)`. What leaves the canvas on one side enters it on the other.
    """
    n = len(digits)
    canvases = torch.zeros(n, CANVAS, CANVAS)
    inside = torch.arange(DIGIT)
    image = torch.arange(n).view(n, 1, 1)
    for place, corner in enumerate((corners, corners + displacements)):
        rows = (corner[:, :1] + inside) % CANVAS
        columns = (corner[:, 1:] + inside) % CANVAS
        canvases[image, rows.unsqueeze(2), columns.unsqueeze(1)] = pool[digits[:, place]]
    return canvases.unsqueeze(1)


def draw_canvases(pool: Tensor, count: int, generator: torch.Generator) -> Canvases:
    """Draws `count` canvases, as many of each class as of any other (but for a remainder), in random order."""
    labels = torch.arange(count)[torch.randperm(count, generator=generator)] % len(DISPLACEMENTS)
    digits = torch.randint(len(pool), (count, 2), generator=generator)
    corners = torch.randint(CANVAS, (count, 2), generator=generator)
    images = compose(pool, digits, corners, torch.tensor(DISPLACEMENTS)[labels])
    return Canvases(images, labels, digits, corners)


class FreshBatches:
    """Batches of canvases, drawn anew on every pass; the same passes for the same seed.

    Args:
        pool: the digits to draw from.
        batches: how many make a pass.
        batch_size: canvases in each.
        seed: of all passes.
    """

    def __init__(self, pool: Tensor, batches: int, batch_size: int, seed: int) -> None:
        self._pool = pool
        self._batches = batches
        self._batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self._batches):
            canvases = draw_canvases(self._pool, self._batch_size, self._generator)
            yield canvases.images, canvases.labels
