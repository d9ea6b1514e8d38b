"""Cluttered digits: one handwritten digit anywhere on a canvas strewn with pieces of others.

The class is which digit it is. The pieces have its strokes but not its shape, so that a net which counts strokes
without seeing how they are connected is misled (the task of Mnih et al. 2014, "Recurrent models of visual attention",
on smaller digits).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.tasks.batches import Batch
from experiments.tasks.canvas import compose
from experiments.tasks.handwritten import CLASSES, DIGIT, Digits

PIECE = 4
"""Height and width of a piece, in pixels."""


@dataclass(frozen=True)
class ClutteredDigits:
    """The task: called with a count and a generator, draws canvases `(n, 1, canvas, canvas)` and digits `(n,)`.

    Classes are balanced up to a remainder. Digit and pieces lie inside the canvas; pieces may touch the digit.

    Attributes:
        pool: digits to draw from, and to cut pieces from.
        canvas: height and width of the canvases.
        pieces: number of pieces on each canvas.
    """

    pool: Digits
    canvas: int
    pieces: int

    def __post_init__(self) -> None:
        if self.canvas < DIGIT:
            raise ValueError(f"canvas={self.canvas} must have room for a digit of {DIGIT} pixels; use {DIGIT} or more")
        if self.pieces < 0:
            raise ValueError(f"pieces={self.pieces} must not be negative; use 0 for none")

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        labels = torch.randperm(count, generator=generator) % CLASSES
        digits = self.pool.images[self._one_of_each(labels, generator)]
        corners = torch.randint(self.canvas - DIGIT + 1, (count, 1, 2), generator=generator)
        strewn = torch.randint(self.canvas - PIECE + 1, (count, self.pieces, 2), generator=generator)
        canvases = torch.maximum(
            compose(digits, corners, self.canvas), compose(self._cut(count, generator), strewn, self.canvas)
        )
        return canvases, labels

    def _one_of_each(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """For each label, the index in the pool of a random digit with that label."""
        places = torch.argsort(self.pool.labels, stable=True)
        counts = self.pool.labels.bincount(minlength=CLASSES)
        chosen = (torch.rand(len(labels), generator=generator) * counts[labels]).long()
        return places[(counts.cumsum(0) - counts)[labels] + chosen]

    def _cut(self, count: int, generator: torch.Generator) -> Tensor:
        """Pieces of any digits, `(count, pieces, PIECE, PIECE)`."""
        sources = torch.randint(len(self.pool), (count, self.pieces), generator=generator)
        windows = self.pool.images.squeeze(1).unfold(1, PIECE, 1).unfold(2, PIECE, 1)
        rows, columns = torch.randint(DIGIT - PIECE + 1, (2, count, self.pieces), generator=generator)
        return windows[sources, rows, columns]
