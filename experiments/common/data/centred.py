"""Centred digits: the control of displaced digits, a task on the same canvas that asks for no reach at all.

One handwritten digit stands in the middle of the canvas, and the class is which one it is. Eight of the ten digits are
used, so that the net is the same down to its last layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from experiments.common.data.batches import Batch
from experiments.common.data.displaced import CANVAS, DIGIT, DISPLACEMENTS, TEST_EVERY

CLASSES = len(DISPLACEMENTS)


@dataclass(frozen=True)
class CentredDigits:
    """The task: called with a count and a generator, draws canvases `(n, 1, 48, 48)` and digits `(n,)`.

    Attributes:
        images: to draw from, `(m, 8, 8)`.
        digits: which digits they show, `(m,)`.
    """

    images: Tensor
    digits: Tensor

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        before = (CANVAS - DIGIT) // 2
        drawn = torch.randint(len(self.digits), (count,), generator=generator)
        canvases = torch.zeros(count, 1, CANVAS, CANVAS)
        canvases[..., before : before + DIGIT, before : before + DIGIT] = self.images[drawn].unsqueeze(1)
        return canvases, self.digits[drawn]


def centred_digits() -> tuple[CentredDigits, CentredDigits]:
    """The task to train with and, of digits disjoint from those, to test with; digits 0 to 7."""
    loaded = load_digits()
    images, digits = torch.from_numpy(loaded.images).float() / 16, torch.from_numpy(loaded.target)
    test = torch.arange(len(digits)) % TEST_EVERY == 0
    used = digits < CLASSES
    return CentredDigits(images[~test & used], digits[~test & used]), CentredDigits(
        images[test & used], digits[test & used]
    )
