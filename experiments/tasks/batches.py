"""Batches in memory, for nets that train in seconds: fixed images in random orders, or newly drawn images."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
"""Images `(n, channels, height, width)` and labels `(n,)`."""
Draw = Callable[[int, torch.Generator], Batch]
"""(count, generator) -> that many images and labels, which depend on the generator alone."""


class Batches:
    """Passes over all images: in a random order each time if there is a seed, otherwise in the given order.

    Args:
        images: `(n, channels, height, width)`.
        labels: `(n,)`.
        batch_size: number of images in a batch; a shuffled pass drops a remainder, for the sake of BatchNorm.
        seed: seed of the orders of all passes, or None.
    """

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int, seed: int | None = None) -> None:
        self._images = images
        self._labels = labels
        self._batch_size = batch_size
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        whole, rest = divmod(len(self._labels), self._batch_size)
        return whole + (1 if rest and self._generator is None else 0)

    def __iter__(self) -> Iterator[Batch]:
        count = len(self._labels)
        order = torch.arange(count) if self._generator is None else torch.randperm(count, generator=self._generator)
        for chosen in order.split(self._batch_size)[: len(self)]:
            yield self._images[chosen], self._labels[chosen]


class FreshBatches:
    """Batches of new images in every pass; the same passes for the same seed.

    Args:
        draw: makes a batch.
        batches: number of batches in a pass.
        batch_size: number of images in a batch.
        seed: seed of all passes.
    """

    def __init__(self, draw: Draw, batches: int, batch_size: int, seed: int) -> None:
        self._draw = draw
        self._batches = batches
        self._batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self._batches):
            yield self._draw(self._batch_size, self._generator)
