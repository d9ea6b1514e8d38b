"""Which samples make which batch, on which process.

The samples of a batch on all processes together are the same however many processes share them: two with batches of 32
see what one with batches of 64 sees.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from experiments.tasks.seeded import Key, seed_of


@dataclass(frozen=True)
class Order(ABC):
    """The batches of every epoch.

    Attributes:
        count: number of samples in the set.
        batch_size: number of samples in a batch on one process.
        rank, world_size: number of this process, and how many there are.
    """

    count: int
    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not len(self):
            raise ValueError(
                f"a set of {self.count} samples has no batch for batch_size={self.batch_size} on each of "
                f"{self.world_size} processes; choose a smaller batch_size or fewer processes"
            )

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batches(self, epoch: int, start: int) -> Iterator[list[Key]]:
        """This process's share of the batches of an epoch from number `start` on."""

    @property
    def _full(self) -> int:
        """Samples of a batch on all processes together."""
        return self.batch_size * self.world_size


@dataclass(frozen=True)
class TrainingOrder(Order):
    """Batches of equal size: an incomplete last one is left out, for the sake of BatchNorm and of averaged gradients.

    Attributes:
        seed: of the order of each epoch, or None for the set's own order.
    """

    seed: int | None = None

    def __len__(self) -> int:
        return self.count // self._full

    def batches(self, epoch: int, start: int) -> Iterator[list[Key]]:
        order = torch.arange(self.count)
        if self.seed is not None:
            order = torch.randperm(self.count, generator=torch.Generator().manual_seed(seed_of(self.seed, epoch)))
        for number in range(start, len(self)):
            first = number * self._full + self.rank * self.batch_size
            yield [(epoch, index) for index in order[first : first + self.batch_size].tolist()]


class EvaluationOrder(Order):
    """Each sample once, the same in every epoch, in as many batches on one process as on another.

    Batches and shares differ by at most one sample, so that nothing is repeated and no process waits for another's
    last batch. Where `batch_size` is 1 a share may have two samples, or another one would be empty.
    """

    def __len__(self) -> int:
        return min(-(-self.count // self._full), self.count // self.world_size)

    def batches(self, epoch: int, start: int) -> Iterator[list[Key]]:  # noqa: ARG002
        for batch in torch.arange(self.count).tensor_split(len(self))[start:]:
            yield [(0, index) for index in batch.tensor_split(self.world_size)[self.rank].tolist()]
