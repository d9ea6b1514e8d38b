"""Sets of image files that someone has to put in place first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sklearn.model_selection import train_test_split
from torch.utils.data import Dataset, Subset
from torchvision.datasets import VisionDataset

from experiments.tasks.seeded import KeyedSet, Seeded
from experiments.training.data.contents import digest
from experiments.training.data.module import IndexedData

Transform = Callable[[Any], Any]
SPLIT_SEED = 0
"""Seed of the validation split, which is the same in all runs."""


def require(name: str, root: Path, files: Iterable[Path], remedy: str) -> None:
    """Checks that all files of a set exist.

    Raises:
        FileNotFoundError: a file is missing; the message says what to download, and where to put it.
    """
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise FileNotFoundError(f"root={root} does not hold {name}: missing {', '.join(missing)}. {remedy}")


class FilesData(IndexedData):
    """A set with a training and a test part; some training images of each class are held out for validation.

    Args:
        root: folder that holds the set.
        validation: number of images held out, the same ones for all seeds; 0 trains on all images (give the Trainer
            `limit_val_batches=0`).
        batch_size, seed, workers: see `ImageData`.
    """

    channels = 3

    def __init__(self, root: Path, validation: int, batch_size: int, seed: int, workers: int) -> None:
        super().__init__(batch_size, seed, workers)
        if validation < 0:
            raise ValueError(f"validation={validation} must not be negative; 0 trains on all images")
        self.root = self.place = Path(root)
        self.validation = validation

    @abstractmethod
    def _source(self, train: bool, transform: Transform) -> VisionDataset:
        """The training or the test part."""

    @abstractmethod
    def _augmented(self) -> Transform: ...

    @abstractmethod
    def _plain(self) -> Transform: ...

    def _labels(self, source: VisionDataset) -> list[int]:
        return [int(label) for label in source.targets]

    @abstractmethod
    def _files(self, source: VisionDataset) -> Iterable[tuple[str, Path]]:
        """Names and paths of what it is read from, for `digest`; a name says the label if the content does not."""

    def train_set(self) -> KeyedSet:
        source = self._source(True, self._augmented())
        self.contents = digest(self._files(source))
        return self._keyed(self._split(source)[0])

    def val_set(self) -> KeyedSet | None:
        return self._keyed(self._split(self._source(True, self._plain()))[1]) if self.validation else None

    def test_set(self) -> KeyedSet:
        return self._keyed(self._source(False, self._plain()))

    def _keyed(self, samples: Dataset[Any]) -> KeyedSet:
        return Seeded(samples, self.seed)

    def _split(self, source: VisionDataset) -> tuple[Dataset[Any], Dataset[Any]]:
        """Training and validation samples; each class is held out in proportion to its size."""
        labels = self._labels(source)
        if not self.validation:
            return source, Subset(source, [])
        rest = len(labels) - self.validation
        if min(rest, self.validation) < self.classes:
            raise ValueError(
                f"validation={self.validation} of {len(labels)} training images must leave images of each of the "
                f"{self.classes} classes on both sides; use 0, or {self.classes} to {len(labels) - self.classes}"
            )
        train, held_out = train_test_split(
            range(len(labels)), test_size=self.validation, random_state=SPLIT_SEED, stratify=labels
        )
        return Subset(source, sorted(train)), Subset(source, sorted(held_out))
