"""Handwritten digits: ten classes, in pools that share no image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

DIGIT = 8
"""Height and width of the images, in pixels."""
SIDE = 16
CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Images `(n, 1, height, width)`, float32, and labels `(n,)`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Digits:
        """The first digits, at most `count`; None for all."""
        return Digits(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Pools:
    """Disjoint sets of digits.

    Attributes:
        mean, deviation: images are (pixels - mean) / deviation, of pixels in [0, 1].
    """

    train: Digits
    validation: Digits
    test: Digits
    mean: float = 0.0
    deviation: float = 1.0

    def pixels(self, images: Tensor) -> Tensor:
        """Undoes the normalisation of images: pixels in [0, 1]."""
        return (images * self.deviation + self.mean).clamp(0, 1)


def split_digits(blocks: int = 5, test: tuple[int, ...] = (0,), validation: tuple[int, ...] = (1,)) -> Pools:
    """scikit-learn's `load_digits` as it is, 8x8 in [0, 1], in three pools: the same ones on every call.

    Neighbours in the file are by the same writer, so pools are contiguous blocks, not every fifth image.

    Args:
        blocks: number of equal blocks that the file is cut into.
        test, validation: blocks that go to these pools; the remaining ones are for training.
    """
    source = load_digits()
    images = torch.from_numpy(source.images).float().unsqueeze(1) / 16
    labels = torch.from_numpy(source.target).long()
    place = torch.arange(len(labels)) * blocks // len(labels)
    tests, validates = torch.isin(place, torch.tensor(test)), torch.isin(place, torch.tensor(validation))
    trains = ~(tests | validates)
    train, validation_pool, test_pool = (
        Digits(images[chosen], labels[chosen]) for chosen in (trains, validates, tests)
    )
    return Pools(train, validation_pool, test_pool)


def standardised(pools: Pools, side: int) -> Pools:
    """The pools with images bilinearly enlarged to `side` pixels, of mean 0 and variance 1 over the training pool."""

    def enlarged(pool: Digits) -> Tensor:
        return nn.functional.interpolate(pool.images, side, mode="bilinear", align_corners=False)

    reference = enlarged(pools.train)
    mean, deviation = reference.mean(), reference.std()
    train, validation, test = (
        Digits((enlarged(pool) - mean) / deviation, pool.labels) for pool in (pools.train, pools.validation, pools.test)
    )
    return Pools(train, validation, test, mean.item(), deviation.item())


def digit_pools(side: int = SIDE) -> Pools:
    """Few images to train with: half are for testing, a quarter each for validation and training."""
    return standardised(split_digits(4, test=(0, 2), validation=(1,)), side)


def subset(pool: Digits, count: int, seed: int) -> Digits:
    """`count` images of a pool, drawn without replacement; the same ones for the same seed."""
    chosen = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[:count]
    return Digits(pool.images[chosen], pool.labels[chosen])
