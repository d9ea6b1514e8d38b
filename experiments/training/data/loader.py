"""Loaders that report their place in the data and return to it.

Lightning keeps the state of any loader that has `state_dict` and `load_state_dict` in its checkpoints. A state counts
the batches handed to the trainer, not those that workers have prepared, and does not depend on the number of workers.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from experiments.tasks.batches import Batch
from experiments.tasks.seeded import KeyedSet
from experiments.training.data.order import Order

# torchdata's StatefulDataLoader keeps one state for each worker and asserts that a state is loaded with the number of
# workers that saved it. A run must resume, bit for bit, with any number.


class Loader(ABC):
    """Each pass is an epoch; the first pass after a state was loaded is the rest of an epoch.

    It is not a `DataLoader`, whose sampler Lightning would replace in distributed training.

    Args:
        order: batches of each epoch.

    Attributes:
        epoch: of the latest pass.
        consumed: batches of that epoch which the trainer has received.
    """

    batch_sampler = None

    def __init__(self, order: Order) -> None:
        self._order = order
        self.epoch = self.consumed = 0
        self._loaded = False
        """Whether the place comes from a state, so that the next pass continues there."""

    def __len__(self) -> int:
        return len(self._order)

    @property
    def sampler(self) -> Loader:
        """Where Lightning looks for `set_epoch`, as in a DataLoader."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of `epoch`, unless it is the present one. Lightning calls this before each pass."""
        if epoch != self.epoch:
            self.epoch, self.consumed, self._loaded = epoch, 0, False

    @abstractmethod
    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on, without work for those before."""

    def __iter__(self) -> Iterator[Batch]:
        # Nothing happens before the first batch is asked for: Lightning makes iterators that it does not use, and
        # the first one before it sets the epoch.
        if self.consumed == len(self) or (self.consumed and not self._loaded):
            self.set_epoch(self.epoch + 1)
        self._loaded = False
        for number, batch in enumerate(self._batches(self.epoch, self.consumed), self.consumed + 1):
            self.consumed = number
            yield batch

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "consumed": self.consumed, "batches": len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["batches"] != len(self):
            raise ValueError(
                f"the state was saved in an epoch of {state['batches']} batches and cannot be used in one of "
                f"{len(self)}; resume with the same data, batch_size and number of processes"
            )
        self.epoch, self.consumed, self._loaded = state["epoch"], state["consumed"], True


class KeyedLoader(Loader):
    """Loads samples by (epoch, index), so that workers need to know nothing else.

    Args:
        samples: indexed by such keys.
        order: batches of such keys.
        workers: processes that make the samples; 0 makes them in this one.
    """

    def __init__(self, samples: KeyedSet, order: Order, workers: int = 0) -> None:
        super().__init__(order)
        self._samples = samples
        self._workers = workers

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        return one_pass(self._samples, self._workers, batch_sampler=self._order.batches(epoch, start))


def one_pass(samples: Dataset[Any], workers: int, **batching: Any) -> Iterator[Batch]:
    """Loads with PyTorch's own loader, which takes the arguments `batching`."""
    return iter(
        DataLoader(
            samples,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            # Each pass draws a number; it must not come from the generator that the net in training draws from.
            generator=torch.Generator(),
            worker_init_fn=_leave_group,
            **batching,
        )
    )


def _leave_group(_: int) -> None:
    """Gives a worker a process group of its own.

    Terminals (Ctrl-C) and torchrun send a signal to all processes of a group. The training finishes its step and saves;
    without its workers it would fail before that.
    """
    if os.name == "posix":
        os.setpgrp()
