"""Handwritten digits as they are: ten classes, three disjoint pools, few images to train with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

SIDE = 16
CLASSES = 10
_ROUND = 4
_TEST, _VALIDATION = (0, 2), (1,)
"""Places in each round of four successive images; the remaining one is for training."""


@dataclass(frozen=True)
class Digits:
    """Images `(n, 1, 16, 16)`, float32 of mean 0 and variance 1 over the training pool, and labels `(n,)`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Pools:
    """scikit-learn's `load_digits`, split: every second image tests, every fourth validates, every fourth trains."""

    train: Digits
    validation: Digits
    test: Digits


def digit_pools() -> Pools:
    """The same three pools on every call, bilinearly enlarged from 8x8."""
    source = load_digits()
    images = torch.from_numpy(source.images).float().unsqueeze(1)
    images = nn.functional.interpolate(images, SIDE, mode="bilinear", align_corners=False)
    labels = torch.from_numpy(source.target).long()
    place = torch.arange(len(labels)) % _ROUND
    tests, validates = torch.isin(place, torch.tensor(_TEST)), torch.isin(place, torch.tensor(_VALIDATION))
    trains = ~(tests | validates)
    images = (images - images[trains].mean()) / images[trains].std()
    return Pools(*(Digits(images[chosen], labels[chosen]) for chosen in (trains, validates, tests)))


def subset(pool: Digits, count: int, seed: int) -> Digits:
    """`count` images of a pool, drawn without replacement; the same ones for the same seed."""
    chosen = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[:count]
    return Digits(pool.images[chosen], pool.labels[chosen])
