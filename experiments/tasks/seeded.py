"""Samples whose randomness depends on seed, epoch and index alone, not on the worker, the time or the order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from experiments.tasks.batches import Draw
from nifconv._support.randomness import draw_seed

Key = tuple[int, int]
"""Epoch and index of a sample."""


def seed_of(*parts: int | str) -> int:
    """One seed for several numbers or names; different ones have different seeds."""
    return draw_seed(*map(repr, parts))  # the number 1 and the name "1" are different parts


@contextmanager
def randomness(seed: int) -> Iterator[None]:
    """Within it torch's global generator, from which the transforms of torchvision draw, starts from `seed`."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the accelerators, too, and with them the dropout of the net in training.
        torch.default_generator.manual_seed(seed)
        yield


class Seeded(Dataset[tuple[Any, ...]]):
    """A set with random transforms.

    Args:
        samples: indexed from 0.
        seed: seed of the transforms.
    """

    shuffled = True

    def __init__(self, samples: Dataset[tuple[Any, ...]], seed: int) -> None:
        self._samples = samples
        self._seed = seed

    def __len__(self) -> int:
        return len(self._samples)  # type: ignore[arg-type]

    def __getitem__(self, key: Key) -> tuple[Any, ...]:
        epoch, index = key
        with randomness(seed_of(self._seed, epoch, index)):
            return self._samples[index]


class Generated(Dataset[tuple[Tensor, Tensor]]):
    """A set of new samples in every epoch.

    Args:
        draw: makes samples, with balanced classes among those that it makes together; hence the blocks.
        count: number of samples in an epoch.
        block: number of samples drawn together, a multiple of the number of classes, to balance them.
        seed: seed of all samples.
    """

    shuffled = False
    """The samples are in random order already, and a batch of neighbours wastes no drawn block."""

    def __init__(self, draw: Draw, count: int, block: int, seed: int) -> None:
        self._draw = draw
        self._count = count
        self._block = block
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[tuple[Tensor, Tensor]]:
        places = [(epoch, *divmod(index, self._block)) for epoch, index in keys]
        drawn = {block: self._drawn(*block) for block in {(epoch, number) for epoch, number, _ in places}}
        return [(drawn[epoch, number][0][place], drawn[epoch, number][1][place]) for epoch, number, place in places]

    def _drawn(self, epoch: int, number: int) -> tuple[Tensor, Tensor]:
        count = min(self._block, self._count - number * self._block)
        return self._draw(count, torch.Generator().manual_seed(seed_of(self._seed, epoch, number)))


KeyedSet = Seeded | Generated
"""A set indexed by (epoch, index)."""
