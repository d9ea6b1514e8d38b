"""Centred digits: the control of displaced digits, a task on the same canvas that asks for no reach at all.

One handwritten digit stands in the middle of the canvas, and the class is which one it is. Eight of the ten digits are
used, so that the net is the same down to its last layer.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from experiments.common.digits import CANVAS, DIGIT, DISPLACEMENTS, TEST_EVERY

CLASSES = len(DISPLACEMENTS)


def labelled_pools() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Images `(n, 8, 8)` and digits `(n,)` to train with and, disjoint from them, to test with; digits 0 to 7."""
    loaded = load_digits()
    images, digits = torch.from_numpy(loaded.images).float() / 16, torch.from_numpy(loaded.target)
    test = torch.arange(len(digits)) % TEST_EVERY == 0
    used = digits < CLASSES
    return (images[~test & used], digits[~test & used]), (images[test & used], digits[test & used])


class CentredBatches:
    """Batches of canvases `(n, 1, 48, 48)` and digits `(n,)`; every pass draws anew.

    Args:
        pool: images and digits to draw from.
        batches: how many make a pass.
        batch_size: canvases in each.
        seed: of all passes.
    """

    def __init__(self, pool: tuple[Tensor, Tensor], batches: int, batch_size: int, seed: int) -> None:
        self._images, self._digits = pool
        self._batches = batches
        self._batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        before = (CANVAS - DIGIT) // 2
        for _ in range(self._batches):
            drawn = torch.randint(len(self._digits), (self._batch_size,), generator=self._generator)
            canvases = torch.zeros(self._batch_size, 1, CANVAS, CANVAS)
            canvases[..., before : before + DIGIT, before : before + DIGIT] = self._images[drawn].unsqueeze(1)
            yield canvases, self._digits[drawn]
