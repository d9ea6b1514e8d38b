"""CIFAR-10, CIFAR-100, SVHN and Fashion-MNIST, read by torchvision from the files that their authors publish."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from torchvision import datasets
from torchvision.datasets import VisionDataset

from experiments.training.data.files import FilesData, Transform, require
from experiments.training.data.views import Statistics, normalised, shifted

ROOT = Path("data")


class ArchiveData(FilesData):
    """Small images of one size, in files with published checksums.

    Args:
        root, validation: see `FilesData`.
        batch_size, seed, workers: see `ImageData`.
    """

    classes = 10
    size = 32
    flip = True
    """Whether a mirror image shows the same."""
    title: str
    statistics: Statistics

    def __init__(
        self, root: Path = ROOT, validation: int = 5000, batch_size: int = 128, seed: int = 0, workers: int = 0
    ) -> None:
        super().__init__(root, validation, batch_size, seed, workers)

    @abstractmethod
    def _files(self) -> list[Path]:
        """Where torchvision looks for the set."""

    @abstractmethod
    def _remedy(self) -> str:
        """How the files come there."""

    @abstractmethod
    def _read(self, train: bool, transform: Transform) -> VisionDataset: ...

    def _source(self, train: bool, transform: Transform) -> VisionDataset:
        require(self.title, self.root, self._files(), self._remedy())
        try:
            return self._read(train, transform)
        except (RuntimeError, ValueError, AssertionError) as error:  # torchvision asserts what it reads in a header
            raise ValueError(
                f"root={self.root} holds files of {self.title} that are not as published ({error!r}). {self._remedy()}"
            ) from error

    def _augmented(self) -> Transform:
        return shifted(self.size, self.statistics, flip=self.flip)

    def _plain(self) -> Transform:
        return normalised(self.statistics)


class CIFAR10Data(ArchiveData):
    """CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test photographs, 32x32."""

    title = "CIFAR-10"
    statistics = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    reader = datasets.CIFAR10

    def _files(self) -> list[Path]:
        names = [name for name, _ in self.reader.train_list + self.reader.test_list] + [self.reader.meta["filename"]]
        return [self.root / self.reader.base_folder / name for name in names]

    def _remedy(self) -> str:
        return (
            f"Download {self.reader.filename}, the python version of {self.title}, from its page at the University of "
            f"Toronto, and unpack it in {self.root}, which makes {self.root / self.reader.base_folder}."
        )

    def _read(self, train: bool, transform: Transform) -> VisionDataset:
        return self.reader(self.root, train=train, transform=transform)


class CIFAR100Data(CIFAR10Data):
    """CIFAR-100 (Krizhevsky 2009): as CIFAR-10, with a hundred classes."""

    classes = 100
    title = "CIFAR-100"
    statistics = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
    reader = datasets.CIFAR100


class SVHNData(ArchiveData):
    """Street View House Numbers (Netzer et al. 2011), cropped digits: 73,257 training and 26,032 test images, 32x32."""

    title = "SVHN"
    flip = False
    statistics = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))

    def _files(self) -> list[Path]:
        return [self.root / datasets.SVHN.split_list[part][1] for part in ("train", "test")]

    def _remedy(self) -> str:
        names = " and ".join(file.name for file in self._files())
        return f"Download {names}, format 2 of SVHN, from its page at Stanford University, and put them in {self.root}."

    def _read(self, train: bool, transform: Transform) -> VisionDataset:
        return datasets.SVHN(self.root, split="train" if train else "test", transform=transform)

    def _labels(self, source: VisionDataset) -> list[int]:
        return source.labels.tolist()


class FashionMNISTData(ArchiveData):
    """Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 60,000 training and 10,000 test images, 28x28, one channel."""

    title = "Fashion-MNIST"
    channels = 1
    size = 28
    statistics = ((0.2860,), (0.3530,))

    def _files(self) -> list[Path]:
        raw = self.root / "FashionMNIST" / "raw"
        return [raw / name.removesuffix(".gz") for name, _ in datasets.FashionMNIST.resources]

    def _remedy(self) -> str:
        names = ", ".join(name for name, _ in datasets.FashionMNIST.resources)
        return (
            f"Download {names} from the repository of Fashion-MNIST at Zalando Research, put them in "
            f"{self._files()[0].parent} and unpack them there with gunzip."
        )

    def _read(self, train: bool, transform: Transform) -> VisionDataset:
        return datasets.FashionMNIST(self.root, train=train, transform=transform)
