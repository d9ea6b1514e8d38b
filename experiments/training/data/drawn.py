"""Base class of the data modules whose images are generated."""

from __future__ import annotations

from abc import abstractmethod

from experiments.tasks.batches import Draw
from experiments.tasks.seeded import Generated, KeyedSet, seed_of
from experiments.training.data.module import IndexedData

_TRAIN, _VALIDATION, _TEST = range(3)


class DrawnData(IndexedData):
    """Generated images: new ones for each epoch of training, always the same for validation and test.

    Args:
        samples: number of training images in an epoch.
        held_out: number of images for validation, and for the test.
        batch_size, seed, workers: see `ImageData`.
    """

    channels = 1
    block: int | None = None
    """Number of samples generated together, a multiple of the number of classes (default: that number)."""

    def __init__(
        self, samples: int = 4096, held_out: int = 2048, batch_size: int = 64, seed: int = 0, workers: int = 0
    ) -> None:
        super().__init__(batch_size, seed, workers)
        self.samples = samples
        self.held_out = held_out

    @abstractmethod
    def draws(self) -> tuple[Draw, Draw, Draw]:
        """Training, validation and test task."""

    def train_set(self) -> KeyedSet:
        return self._set(_TRAIN, self.samples, self.seed)

    def val_set(self) -> KeyedSet:
        return self._set(_VALIDATION, self.held_out, 0)

    def test_set(self) -> KeyedSet:
        return self._set(_TEST, self.held_out, 0)

    def _set(self, part: int, count: int, seed: int) -> KeyedSet:
        return Generated(self.draws()[part], count, self.block or self.classes, seed_of(part, seed))
