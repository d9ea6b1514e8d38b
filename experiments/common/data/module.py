"""What all data modules share: one way to load, whatever the images are."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lightning.pytorch import LightningDataModule

from experiments.common.data.loader import KeyedLoader, Loader
from experiments.common.data.order import EvaluationOrder, Order, TrainingOrder
from experiments.common.data.seeded import KeyedSet


class ImageData(LightningDataModule, ABC):
    """Images and labels, loaded in the same order with the same augmentation however many workers and processes load.

    Attributes:
        classes: number of labels.
        channels: of an image.
        size: height and width of an image as the net is trained with it, in pixels.

    Args:
        batch_size: samples of a batch on each process.
        seed: of order and augmentation; validation and test do not depend on it.
        workers: processes that make the samples; 0 makes them in this one. They change nothing but the time it takes.
    """

    classes: int
    channels: int
    size: int

    def __init__(self, batch_size: int, seed: int, workers: int) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0)):
            if value < least:
                raise ValueError(f"{name}={value} must be {least} or more")
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers

    @abstractmethod
    def train_set(self) -> KeyedSet: ...

    @abstractmethod
    def val_set(self) -> KeyedSet: ...

    @abstractmethod
    def test_set(self) -> KeyedSet: ...

    def train_dataloader(self) -> Loader:
        samples = self.train_set()
        seed = self.seed if samples.shuffled else None
        return self._loader(samples, TrainingOrder(len(samples), self.batch_size, *self._process(), seed=seed))

    def val_dataloader(self) -> Loader:
        return self._evaluation(self.val_set())

    def test_dataloader(self) -> Loader:
        return self._evaluation(self.test_set())

    def _evaluation(self, samples: KeyedSet) -> Loader:
        return self._loader(samples, EvaluationOrder(len(samples), self.batch_size, *self._process()))

    def _loader(self, samples: KeyedSet, order: Order) -> Loader:
        return KeyedLoader(samples, order, self.workers)

    def _process(self) -> tuple[int, int]:
        """Rank of this process, and how many there are."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
