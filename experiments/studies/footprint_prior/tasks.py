"""Two questions on one canvas: which digit is it (local strokes suffice), and how far apart are two (needs reach)?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from experiments.tasks.batches import Batch, Draw
from experiments.tasks.displaced import DisplacedDigits, displaced_digits
from experiments.tasks.handwritten import CLASSES, Digits, digit_pools

CANVAS = 24
"""Side of the canvas in pixels; with two poolings, maps of 24, 12 and 6."""
DISTANCES = (8, 10, 12)
_VALIDATE_EVERY = 4


@dataclass(frozen=True)
class PlacedDigits:
    """Called with a count and a generator, draws images `(n, 1, 24, 24)`, one digit of 16 px at any place, and labels.

    The canvas wraps around, so that no border tells a position, and no position tells a digit.

    Attributes:
        pool: digits to draw from.
    """

    pool: Digits

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        drawn = torch.randint(len(self.pool), (count,), generator=generator)
        corners = torch.randint(CANVAS, (2, count, 1), generator=generator)
        digits = self.pool.images[drawn].squeeze(1)
        rows, columns = ((corner + torch.arange(digits.shape[-1])) % CANVAS for corner in corners)
        canvases = torch.full((count, CANVAS, CANVAS), self.pool.images.min().item())
        canvases[torch.arange(count).view(-1, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)] = digits
        return canvases.unsqueeze(1), self.pool.labels[drawn]


@dataclass(frozen=True)
class Split:
    """A task, drawn from three disjoint pools of digits."""

    train: Draw
    validation: Draw
    test: Draw


def which_digit() -> Split:
    """Ten classes."""
    pools = digit_pools()
    return Split(PlacedDigits(pools.train), PlacedDigits(pools.validation), PlacedDigits(pools.test))


def how_far() -> Split:
    """Two digits of 8 px; the class is the displacement, one of `DISTANCES` to the right or down."""
    pool, test = (task.pool for task in displaced_digits())
    validates = torch.arange(len(pool)) % _VALIDATE_EVERY == 0
    pools = (pool[~validates], pool[validates], test)
    return Split(*(DisplacedDigits(digits, DISTANCES, CANVAS) for digits in pools))


@dataclass(frozen=True)
class Condition:
    """What nets are trained on, and with what weight decay.

    Attributes:
        name: name in tables.
        classes: number of classes.
        split: loads the task.
        weight_decay: weight decay of AdamW.
    """

    name: str
    classes: int
    split: Callable[[], Split]
    weight_decay: float = 0.01


ONE = Condition("one digit", CLASSES, which_digit)
DECAYED = Condition("one digit, strong decay", CLASSES, which_digit, weight_decay=1.0)
TWO = Condition("two digits", 2 * len(DISTANCES), how_far)
