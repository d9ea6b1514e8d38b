"""Photographs in a folder for each class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from PIL import Image
from torchvision.datasets import ImageFolder, VisionDataset
from torchvision.datasets.folder import pil_loader

from experiments.tasks.seeded import KeyedSet
from experiments.training.data.files import FilesData, Transform, require
from experiments.training.data.views import Views

_VIEWS = Views()


class ImageFolderData(FilesData):
    """Photographs in `root/train/<class>/` and `root/val/<class>/`; the classes are the folders that are there.

    The images of `val` are the test set. With `validation=0` they also serve for validation; hold images out if
    anything is selected by validation.

    Args:
        root: folder that holds `train` and `val`.
        class_list: text file with the folders to use, one on each line; by default all of them.
        views: crops and augmentation.
        validation: see `FilesData`.
        batch_size, seed, workers: see `ImageData`.
    """

    remedy = "Put the images into {root}/train/CLASS/ and {root}/val/CLASS/, a folder for each class."

    def __init__(
        self,
        root: Path,
        class_list: Path | None = None,
        views: Views = _VIEWS,
        validation: int = 0,
        batch_size: int = 128,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(root, validation, batch_size, seed, workers)
        self.class_list = None if class_list is None else Path(class_list)
        self.views = views
        self.size = views.size
        self.classes = self._count()

    def _count(self) -> int:
        self._require([self.root / "train", self.root / "val"])
        return len(self._names())

    def val_set(self) -> KeyedSet | None:
        return super().val_set() if self.validation else self.test_set()

    def _source(self, train: bool, transform: Transform) -> VisionDataset:
        folder = self.root / ("train" if train else "val")
        self._require([self.root / "train", self.root / "val"])
        names = self._names()
        self._require([folder / name for name in names])
        return _Folders(folder, transform, names)

    def _require(self, folders: list[Path]) -> None:
        require("images in a folder for each class", self.root, folders, self.remedy.format(root=self.root))

    def _files(self, source: VisionDataset) -> Iterable[tuple[str, Path]]:
        folders = cast(_Folders, source)
        for path, label in folders.samples:
            yield f"{label} {Path(path).relative_to(folders.root)}", Path(path)

    def _augmented(self) -> Transform:
        return self.views.training()

    def _plain(self) -> Transform:
        return self.views.evaluation()

    def _names(self) -> list[str]:
        """The classes in the order of their labels, which is the same for training and test."""
        if self.class_list is not None:
            lines = self.class_list.read_text(encoding="utf-8-sig").splitlines()
            names = [line.strip() for line in lines if line.strip()]
            where = f"class_list={self.class_list}"
        else:
            names = _folders(self.root / "train")
            where = str(self.root / "train")
            differing = set(names) ^ set(_folders(self.root / "val"))
            if differing:
                raise ValueError(
                    f"root={self.root} has classes in only one of `train` and `val`: {', '.join(sorted(differing))}; "
                    "name those to be used in a class_list, or complete the other folder"
                )
        self._check_number(where, names)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{where} names {', '.join(twice)} twice; name each class once")
        return sorted(names)

    def _check_number(self, where: str, names: list[str]) -> None:
        if len(names) < 2:
            raise ValueError(f"{where} has {len(names)} classes, but a classifier needs 2 or more; add folders")


class _Folders(ImageFolder):
    """Some of the folders in a folder."""

    def __init__(self, root: Path, transform: Transform, names: list[str]) -> None:
        self._names = names
        super().__init__(str(root), transform, loader=_read)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:  # noqa: ARG002
        return self._names, {name: label for label, name in enumerate(self._names)}


def _folders(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]


def _read(path: str) -> Image.Image:
    """An image in RGB; Pillow's own errors do not name the file."""
    try:
        return pil_loader(path)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is not a complete image ({error}); copy it again, or remove it") from error
