"""What data modules of tasks that are drawn share."""

from __future__ import annotations

from abc import abstractmethod

from experiments.tasks.batches import Draw
from experiments.tasks.seeded import Generated, KeyedSet, seed_of
from experiments.training.data.module import IndexedData

_TRAIN, _VALIDATION, _TEST = range(3)


class DrawnData(IndexedData):
    """Tasks whose images are drawn: training images anew in each epoch, those for validation and test always the same.

    Args:
        samples: of an epoch of training.
        held_out: for validation, and as many for the test.
        batch_size, seed, workers: see `ImageData`.
    """

    channels = 1
    block: int | None = None
    """Samples drawn together, a multiple of the classes, which is what it is if None."""

    def __init__(self, samples: int, held_out: int, batch_size: int, seed: int, workers: int) -> None:
        super().__init__(batch_size, seed, workers)
        self.samples = samples
        self.held_out = held_out

    @abstractmethod
    def draws(self) -> tuple[Draw, Draw, Draw]:
        """The tasks to train, to validate and to test with."""

    def train_set(self) -> KeyedSet:
        return self._set(_TRAIN, self.samples, self.seed)

    def val_set(self) -> KeyedSet:
        return self._set(_VALIDATION, self.held_out, 0)

    def test_set(self) -> KeyedSet:
        return self._set(_TEST, self.held_out, 0)

    def _set(self, part: int, count: int, seed: int) -> KeyedSet:
        return Generated(self.draws()[part], count, self.block or self.classes, seed_of(part, seed))
