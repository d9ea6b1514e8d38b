"""Which samples make which batch, on which process.

The samples of a batch on all processes together are the same however many processes share them: two with batches of 32
see what one with batches of 64 sees.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.tasks.seeded import Key, seed_of


@dataclass(frozen=True)
class Order(ABC):
    """The batches of every epoch.

    Attributes:
        count: samples of the set.
        batch_size: samples of a batch on one process.
        rank, world_size: of this process.
    """

    count: int
    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.count < self._fewest():
            raise ValueError(
                f"a set of {self.count} samples has no batch for batch_size={self.batch_size} on each of "
                f"{self.world_size} processes; choose a smaller batch_size or fewer processes"
            )

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batches(self, epoch: int, start: int) -> Iterator[list[Key]]:
        """This process's share of the batches of an epoch from number `start` on."""

    @abstractmethod
    def _fewest(self) -> int:
        """How many samples there must be."""


@dataclass(frozen=True)
class TrainingOrder(Order):
    """Batches of equal size: an incomplete last one is left out, for the sake of BatchNorm and of averaged gradients.

    Attributes:
        seed: of the order of each epoch, or None for the set's own order.
    """

    seed: int | None = None

    def __len__(self) -> int:
        return self.count // self._fewest()

    def batches(self, epoch: int, start: int) -> Iterator[list[Key]]:
        order = self._order(epoch)
        for number in range(start, len(self)):
            first = (number * self.world_size + self.rank) * self.batch_size
            yield [(epoch, index) for index in order[first : first + self.batch_size].tolist()]

    def _order(self, epoch: int) -> Tensor:
        if self.seed is None:
            return torch.arange(self.count)
        return torch.randperm(self.count, generator=torch.Generator().manual_seed(seed_of(self.seed, epoch)))

    def _fewest(self) -> int:
        return self.batch_size * self.world_size


class EvaluationOrder(Order):
    """Each sample once, the same in every epoch, in as many batches on one process as on another.

    Batches and shares differ by one sample at most, so that nothing is repeated and no process waits for another's
    last batch for ever. Where `batch_size` is 1 a share may have two, or another one would be empty.
    """

    def __len__(self) -> int:
        full = self.batch_size * self.world_size
        return min(-(-self.count // full), self.count // self.world_size)

    def batches(self, epoch: int, start: int) -> Iterator[list[Key]]:  # noqa: ARG002
        for batch in torch.arange(self.count).tensor_split(len(self))[start:]:
            yield [(0, index) for index in batch.tensor_split(self.world_size)[self.rank].tolist()]

    def _fewest(self) -> int:
        return self.world_size
