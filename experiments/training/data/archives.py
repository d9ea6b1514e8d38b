"""CIFAR-10, CIFAR-100, SVHN and Fashion-MNIST, read by torchvision from the files that their authors publish."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
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

    Attributes:
        flip: whether a mirror image keeps its label.
        title: name of the set.
        statistics: mean and standard deviation of each channel.
        files: paths that torchvision reads, below `root`.
        remedy: how to obtain them, with `{root}` for the folder.
    """

    classes = 10
    size = 32
    flip = True
    title: str
    statistics: Statistics
    files: tuple[str, ...]
    remedy: str

    def __init__(
        self, root: Path = ROOT, validation: int = 5000, batch_size: int = 128, seed: int = 0, workers: int = 0
    ) -> None:
        super().__init__(root, validation, batch_size, seed, workers)

    @abstractmethod
    def _read(self, train: bool, transform: Transform) -> VisionDataset: ...

    def _source(self, train: bool, transform: Transform) -> VisionDataset:
        remedy = self.remedy.format(root=self.root)
        require(self.title, self.root, [self.root / file for file in self.files], remedy)
        try:
            return self._read(train, transform)
        except (RuntimeError, ValueError, AssertionError) as error:  # torchvision asserts what it reads in a header
            raise ValueError(
                f"root={self.root} holds files of {self.title} that are not as published ({error!r}). {remedy}"
            ) from error

    def _files(self, source: VisionDataset) -> Iterable[tuple[str, Path]]:  # noqa: ARG002
        return ((file, self.root / file) for file in self.files)

    def _augmented(self) -> Transform:
        return shifted(self.size, self.statistics, flip=self.flip)

    def _plain(self) -> Transform:
        return normalised(self.statistics)


def _cifar_files(reader: type[datasets.CIFAR10]) -> tuple[str, ...]:
    names = [name for name, _ in reader.train_list + reader.test_list] + [reader.meta["filename"]]
    return tuple(f"{reader.base_folder}/{name}" for name in names)


def _cifar_remedy(reader: type[datasets.CIFAR10]) -> str:
    return (
        f"Download {reader.filename}, the version for Python, from the CIFAR page of the University of Toronto, and "
        f"unpack it in {{root}}, which creates {{root}}/{reader.base_folder}."
    )


class CIFAR10Data(ArchiveData):
    """CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test photographs, 32x32."""

    title = "CIFAR-10"
    statistics = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    files = _cifar_files(datasets.CIFAR10)
    remedy = _cifar_remedy(datasets.CIFAR10)

    def _read(self, train: bool, transform: Transform) -> VisionDataset:
        return datasets.CIFAR10(self.root, train=train, transform=transform)


class CIFAR100Data(ArchiveData):
    """CIFAR-100 (Krizhevsky 2009): as CIFAR-10, with a hundred classes."""

    classes = 100
    title = "CIFAR-100"
    statistics = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
    files = _cifar_files(datasets.CIFAR100)
    remedy = _cifar_remedy(datasets.CIFAR100)

    def _read(self, train: bool, transform: Transform) -> VisionDataset:
        return datasets.CIFAR100(self.root, train=train, transform=transform)


class SVHNData(ArchiveData):
    """Street View House Numbers (Netzer et al. 2011), cropped digits: 73,257 training and 26,032 test images, 32x32."""

    title = "SVHN"
    flip = False
    statistics = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
    files = ("train_32x32.mat", "test_32x32.mat")
    remedy = (
        "Download train_32x32.mat and test_32x32.mat, format 2 of SVHN, from its page at Stanford University, and put "
        "them in {root}."
    )

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
    files = tuple(f"FashionMNIST/raw/{Path(name).stem}" for name, _ in datasets.FashionMNIST.resources)
    remedy = (
        f"Download {', '.join(name for name, _ in datasets.FashionMNIST.resources)} from the repository of "
        "Fashion-MNIST at Zalando Research, put them in {root}/FashionMNIST/raw and unpack them there with gunzip."
    )

    def _read(self, train: bool, transform: Transform) -> VisionDataset:
        return datasets.FashionMNIST(self.root, train=train, transform=transform)
