"""Loaders that can be asked where they are and be sent there.

Lightning keeps the state of any loader that has `state_dict` and `load_state_dict` in its checkpoints. A state counts
the batches handed to the trainer, not those that workers have prepared, and does not depend on the number of workers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from experiments.tasks.batches import Batch
from experiments.tasks.seeded import Key, KeyedSet
from experiments.training.data.order import Order


@dataclass
class Place:
    """Where a loader is.

    Attributes:
        epoch: of the latest pass.
        consumed: batches of that epoch which the trainer has had.
        loaded: whether the place was loaded, and the next pass goes on there.
    """

    epoch: int = 0
    consumed: int = 0
    loaded: bool = False

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of `epoch`, unless it is the present one. Lightning calls this before each pass."""
        if epoch != self.epoch:
            self.epoch, self.consumed, self.loaded = epoch, 0, False


class Loader(ABC):
    """Each pass is an epoch; the first one after a state was loaded is the rest of an epoch.

    It is no `DataLoader`, as Lightning would replace the sampler of one in distributed training.
    """

    def __init__(self) -> None:
        # Lightning looks for `set_epoch` under these names of a DataLoader.
        self.sampler = Place()
        self.batch_sampler = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on, without work for those before."""

    def __iter__(self) -> Iterator[Batch]:
        # Nothing happens before the first batch is asked for: Lightning makes iterators that it does not use, and
        # the first one before it sets the epoch.
        place = self.sampler
        if place.consumed == len(self) or (place.consumed and not place.loaded):
            place.set_epoch(place.epoch + 1)
        place.loaded = False
        for number, batch in enumerate(self._batches(place.epoch, place.consumed), place.consumed + 1):
            place.consumed = number
            yield batch

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.sampler.epoch, "consumed": self.sampler.consumed, "batches": len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["batches"] != len(self):
            raise ValueError(
                f"the state was saved in an epoch of {state['batches']} batches and cannot be used in one of "
                f"{len(self)}; resume with the same data, batch_size and number of processes"
            )
        self.sampler = Place(state["epoch"], state["consumed"], loaded=True)


class _Remaining(Sampler[list[Key]]):
    """The batches of an epoch from a place on that can be moved between passes."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.epoch = 0
        self.start = 0

    def __iter__(self) -> Iterator[list[Key]]:
        return self._order.batches(self.epoch, self.start)


class KeyedLoader(Loader):
    """Loads samples by (epoch, index), so that workers need to know nothing else.

    Args:
        samples: the set.
        order: which samples make which batch.
        workers: processes that make the samples; 0 makes them in this one.
    """

    def __init__(self, samples: KeyedSet, order: Order, workers: int = 0) -> None:
        super().__init__()
        self._order = order
        self._remaining = _Remaining(order)
        self._loader: DataLoader[Any] = DataLoader(
            samples,
            batch_sampler=self._remaining,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            # Each pass draws a number; it must not come from the generator that the net in training draws from.
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        return len(self._order)

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        self._remaining.epoch, self._remaining.start = epoch, start
        return iter(self._loader)
