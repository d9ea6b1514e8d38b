"""Samples whose randomness depends on seed, epoch and index alone, not on who loads them, when or in what order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from experiments.tasks.batches import Draw

Key = tuple[int, int]
"""Epoch and index of a sample."""


def seed_of(*parts: int | str) -> int:
    """One seed for several numbers or names; other ones, another seed."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


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
        seed: of the transforms.
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
    """A set that is drawn, in every epoch anew.

    Args:
        draw: makes samples. It balances the classes of those that it makes together, hence the blocks.
        count: samples of an epoch.
        block: samples drawn together: a multiple of the number of classes, so that it holds equally many of each.
        seed: of all samples.
    """

    shuffled = False
    """The samples are in random order as they are, and a batch of neighbours draws no block in vain."""

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
"""A set asked for (epoch, index)."""
