"""ImageNet, and any photographs in a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from PIL import Image
from torchvision.datasets import ImageFolder, VisionDataset
from torchvision.datasets.folder import pil_loader

from experiments.tasks.seeded import KeyedSet
from experiments.training.data.files import FilesData, Transform, require
from experiments.training.data.views import Views

_VIEWS = Views()
_ROOT = Path("data/imagenet")


class ImageNetData(FilesData):
    """Photographs in `root/train/<class>/` and `root/val/<class>/`, the usual layout of ImageNet-1k.

    The images of `val` are the test set, as the labels of ImageNet's own test set are not public. With `validation=0`
    they also serve for validation, as is usual; hold images out if anything is selected by validation.

    Args:
        root: folder that holds `train` and `val`.
        classes: number of classes.
        class_list: text file with the folders to use, one on each line, for a subset such as ImageNet-100.
        views: crops and augmentation.
        validation: see `FilesData`.
        batch_size, seed, workers: see `ImageData`.
    """

    def __init__(
        self,
        root: Path = _ROOT,
        classes: int = 1000,
        class_list: Path | None = None,
        views: Views = _VIEWS,
        validation: int = 0,
        batch_size: int = 128,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(root, validation, batch_size, seed, workers)
        self.classes = classes
        self.class_list = None if class_list is None else Path(class_list)
        self.views = views
        self.size = views.size

    def val_set(self) -> KeyedSet | None:
        return super().val_set() if self.validation else self.test_set()

    def _source(self, train: bool, transform: Transform) -> VisionDataset:
        folder = self.root / ("train" if train else "val")
        remedy = (
            "Download ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from the site of ImageNet, which asks for an "
            f"account, and unpack them so that each class has a folder of JPEG files in {self.root / 'train'} "
            f"and in {self.root / 'val'}."
        )
        require("ImageNet", self.root, [self.root / "train", self.root / "val"], remedy)
        names = self._names()
        require("all classes", self.root, [folder / name for name in names], remedy)
        return _Folders(folder, transform, names)

    def _identity(self, source: VisionDataset) -> list[Any]:
        folders = cast(_Folders, source)
        return [(str(Path(path).relative_to(folders.root)), label) for path, label in folders.samples]

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
        if len(names) != self.classes:
            raise ValueError(f"classes={self.classes} must be the number of classes in {where}, which has {len(names)}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{where} names {', '.join(twice)} twice; name each class once")
        return sorted(names)


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
