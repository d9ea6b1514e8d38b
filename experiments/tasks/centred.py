"""Centred digits: the control of displaced digits, a task on the same canvas that needs no reach at all.

One handwritten digit stands in the middle of the canvas, and the class is which one it is. Eight of the ten digits are
used, so that the net is the same including its last layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.tasks.batches import Batch
from experiments.tasks.canvas import compose
from experiments.tasks.displaced import CANVAS, DISPLACEMENTS
from experiments.tasks.handwritten import DIGIT, Digits, split_digits

CLASSES = len(DISPLACEMENTS)


@dataclass(frozen=True)
class CentredDigits:
    """The task: called with a count and a generator, draws canvases `(n, 1, 48, 48)` and digits `(n,)`.

    Attributes:
        images: images to draw from, `(m, 8, 8)`.
        digits: which digits they show, `(m,)`.
    """

    images: Tensor
    digits: Tensor

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        drawn = torch.randint(len(self.digits), (count,), generator=generator)
        corners = torch.full((count, 1, 2), (CANVAS - DIGIT) // 2)
        return compose(self.images[drawn].unsqueeze(1), corners, CANVAS), self.digits[drawn]


def centred(pool: Digits) -> CentredDigits:
    """The task with the digits 0 to 7 of a pool."""
    used = pool.labels < CLASSES
    return CentredDigits(pool.images[used].squeeze(1), pool.labels[used])


def centred_digits() -> tuple[CentredDigits, CentredDigits]:
    """The tasks to train and to test with, whose digits are disjoint; digits 0 to 7."""
    pools = split_digits(validation=())
    return centred(pools.train), centred(pools.test)
