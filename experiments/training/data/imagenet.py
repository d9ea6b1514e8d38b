"""ImageNet."""

from __future__ import annotations

from pathlib import Path

from experiments.training.data.folders import ImageFolderData
from experiments.training.data.views import Views

_VIEWS = Views()
_ROOT = Path("data/imagenet")


class ImageNetData(ImageFolderData):
    """The usual layout of ImageNet-1k, with a check that all classes are there.

    The labels of ImageNet's own test set are not public, so that the images of `val` are the test set here.

    Args:
        root: folder that holds `train` and `val`.
        classes: number of classes.
        class_list: text file with the folders to use, one on each line, for a subset such as ImageNet-100.
        views: crops and augmentation.
        validation: see `FilesData`.
        batch_size, seed, workers: see `ImageData`.
    """

    remedy = (
        "Download ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from the site of ImageNet, which asks for an "
        "account, and unpack them so that each class has a folder of JPEG files in {root}/train and in {root}/val."
    )

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
        self._expected = classes
        super().__init__(root, class_list, views, validation, batch_size, seed, workers)

    def _count(self) -> int:
        # Recipes are built, to tell what they cost, where the images are not.
        return self._expected

    def _check_number(self, where: str, names: list[str]) -> None:
        if len(names) != self._expected:
            raise ValueError(
                f"classes={self._expected} must be the number of classes in {where}, which has {len(names)}"
            )
