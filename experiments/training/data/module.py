"""Base classes of the data modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from lightning.pytorch import LightningDataModule

from experiments.tasks.seeded import KeyedSet
from experiments.training.data.loader import KeyedLoader, Loader
from experiments.training.data.order import EvaluationOrder, TrainingOrder


class ImageData(LightningDataModule, ABC):
    """Images and labels, loaded in the same order with the same augmentation however many workers and processes load.

    Attributes:
        classes: number of labels.
        channels: number of channels of an image.
        size: height and width of the training images, in pixels.
        contents: digest of the files of the training images, once these were read; "" for data that cannot change.
        place: where they are read from.

    Args:
        batch_size: number of samples in a batch on each process.
        seed: seed of order and augmentation in training.
        workers: number of processes that load samples; 0 loads in the main process. Affects speed only.
    """

    classes: int
    channels: int
    size: int
    contents: str = ""
    place: Path | str = ""

    def __init__(self, batch_size: int, seed: int, workers: int) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0)):
            if value < least:
                raise ValueError(f"{name}={value} must be {least} or more")
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers

    def _process(self) -> tuple[int, int]:
        """Rank of this process, and number of processes."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


class IndexedData(ImageData):
    """Images that can be read in any order."""

    @abstractmethod
    def train_set(self) -> KeyedSet: ...

    @abstractmethod
    def val_set(self) -> KeyedSet | None:
        """None if nothing is held out."""

    @abstractmethod
    def test_set(self) -> KeyedSet: ...

    def train_dataloader(self) -> Loader:
        samples = self.train_set()
        seed = self.seed if samples.shuffled else None
        order = TrainingOrder(len(samples), self.batch_size, *self._process(), seed=seed)
        return KeyedLoader(samples, order, self.workers)

    def val_dataloader(self) -> Loader | list[Loader]:
        samples = self.val_set()
        return [] if samples is None else self._evaluation(samples)

    def test_dataloader(self) -> Loader:
        return self._evaluation(self.test_set())

    def _evaluation(self, samples: KeyedSet) -> Loader:
        order = EvaluationOrder(len(samples), self.batch_size, *self._process())
        return KeyedLoader(samples, order, self.workers)
