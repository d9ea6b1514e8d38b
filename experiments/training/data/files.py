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
from experiments.training.data.module import IndexedData

Transform = Callable[[Any], Any]
SPLIT_SEED = 0
"""Of the images held out for validation: the same ones in all runs."""


def require(name: str, root: Path, files: Iterable[Path], remedy: str) -> None:
    """Makes sure that the files are there.

    Raises:
        FileNotFoundError: one is not; the message says what to download, and where to put it.
    """
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise FileNotFoundError(f"root={root} does not hold {name}: {', '.join(missing)} is not there. {remedy}")


class FilesData(IndexedData):
    """A set with parts for training and test; images of each class are held out of the first one for validation.

    Args:
        root: folder that holds the set.
        validation: images held out, the same for all seeds; 0 trains with all (give the Trainer `limit_val_batches=0`).
        batch_size, seed, workers: see `ImageData`.
    """

    channels = 3

    def __init__(self, root: Path, validation: int, batch_size: int, seed: int, workers: int) -> None:
        super().__init__(batch_size, seed, workers)
        if validation < 0:
            raise ValueError(f"validation={validation} must not be negative; 0 trains with all images")
        self.root = Path(root)
        self.validation = validation

    @abstractmethod
    def _source(self, train: bool, transform: Transform) -> VisionDataset:
        """The part for training or for the test."""

    @abstractmethod
    def _augmented(self) -> Transform: ...

    @abstractmethod
    def _plain(self) -> Transform: ...

    def _labels(self, source: VisionDataset) -> list[int]:
        return [int(label) for label in source.targets]

    def train_set(self) -> KeyedSet:
        return self._keyed(self._split(self._source(True, self._augmented()))[0])

    def val_set(self) -> KeyedSet | None:
        return self._keyed(self._split(self._source(True, self._plain()))[1]) if self.validation else None

    def test_set(self) -> KeyedSet:
        return self._keyed(self._source(False, self._plain()))

    def _keyed(self, samples: Dataset[Any]) -> KeyedSet:
        return Seeded(samples, self.seed)

    def _split(self, source: VisionDataset) -> tuple[Dataset[Any], Dataset[Any]]:
        """What is for training, and what is held out: as many of each class as its share."""
        labels = self._labels(source)
        if not self.validation:
            return source, Subset(source, [])
        rest = len(labels) - self.validation
        if min(rest, self.validation) < self.classes:
            raise ValueError(
                f"validation={self.validation} of {len(labels)} training images must leave images of each of the "
                f"{self.classes} classes on both sides; use 0, or {self.classes} to {len(labels) - self.classes}"
            )
        kept, held_out = train_test_split(
            range(len(labels)), test_size=self.validation, random_state=SPLIT_SEED, stratify=labels
        )
        return Subset(source, sorted(kept)), Subset(source, sorted(held_out))
