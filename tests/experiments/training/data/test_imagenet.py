"""Photographs in a folder for each class, as ImageNet has them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from experiments.training.data.folders import ImageFolderData
from experiments.training.data.imagenet import ImageNetData
from experiments.training.data.loader import Loader
from experiments.training.data.views import IMAGENET, Views
from tests.experiments.published import write_photographs


def loaded(loader: Any) -> tuple[Tensor, Tensor]:
    assert isinstance(loader, Loader)
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    write_photographs(tmp_path)
    return tmp_path


def brightest(images: Tensor) -> list[int]:
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    return (images * deviation + mean).mean((2, 3)).argmax(1).tolist()


def test_photographs_have_the_labels_of_their_folders(photographs: Path) -> None:
    data = ImageNetData(photographs, classes=3, views=Views(size=24, test_size=32), validation=3, batch_size=3)
    sizes = {"train": (24, 15), "val": (32, 3), "test": (32, 6)}
    for part, (size, count) in sizes.items():
        images, labels = loaded(getattr(data, f"{part}_dataloader")())
        assert images.shape == (count, 3, size, size)
        assert brightest(images) == labels.tolist()
        assert labels.bincount().tolist() == [count // 3] * 3


def test_contents_change_with_the_files_and_nothing_else(photographs: Path) -> None:
    def contents() -> str:
        data = ImageNetData(photographs, classes=3, views=Views(size=24, test_size=32), batch_size=3)
        data.train_dataloader()
        return data.contents

    before = contents()
    assert before
    assert contents() == before
    first = min((photographs / "train").rglob("*.*"))
    content = bytearray(first.read_bytes())
    content[-3] ^= 1
    first.write_bytes(content)
    altered = contents()
    assert altered != before
    first.rename(first.with_name(f"a{first.name}"))
    assert contents() not in (before, altered)


def test_without_images_held_out_training_watches_the_official_validation(photographs: Path) -> None:
    data = ImageNetData(photographs, classes=3, views=Views(test_size=32), batch_size=3)
    assert torch.equal(loaded(data.val_dataloader())[0], loaded(data.test_dataloader())[0])


def test_a_list_chooses_the_classes(photographs: Path) -> None:
    chosen = photographs / "classes.txt"
    chosen.write_text("n03\nn01\n")
    data = ImageNetData(photographs, classes=2, class_list=chosen, views=Views(test_size=32), batch_size=2)
    images, labels = loaded(data.test_dataloader())
    assert labels.tolist() == [0, 0, 1, 1]
    assert brightest(images) == [0, 0, 2, 2]


def test_classes_that_are_not_as_many_or_not_there_are_refused(photographs: Path) -> None:
    with pytest.raises(ValueError, match=rf"classes=1000 must be the number of classes in {photographs}.* has 3"):
        ImageNetData(photographs).train_dataloader()
    chosen = photographs / "classes.txt"
    chosen.write_text("n01\nn04\n")
    with pytest.raises(FileNotFoundError, match=r"missing .*train/n04. Download ILSVRC2012_img_train.tar"):
        ImageNetData(photographs, classes=2, class_list=chosen).train_dataloader()
    with pytest.raises(FileNotFoundError, match=r"missing .*nowhere/train, .*nowhere/val. "):
        ImageNetData(photographs / "nowhere").test_dataloader()
    chosen.write_text("n01\n\nn02\r\nn01\n")
    with pytest.raises(ValueError, match=r"classes.txt names n01 twice"):
        ImageNetData(photographs, classes=3, class_list=chosen).train_dataloader()


def test_training_and_test_number_the_classes_alike(photographs: Path) -> None:
    (photographs / "val" / "n02").rename(photographs / "val" / "of two words")
    with pytest.raises(ValueError, match=r"only one of `train` and `val`: n02, of two words; name .* class_list"):
        ImageNetData(photographs, classes=3).test_dataloader()
    (photographs / "train" / "n02").rename(photographs / "train" / "of two words")
    (photographs / "train" / ".thumbnails").mkdir()
    chosen = photographs / "classes.txt"
    chosen.write_text("n01\nof two words\n")
    assert ImageNetData(photographs, classes=3).train_set()[0, 17][1] == 2
    assert ImageNetData(photographs, classes=2, class_list=chosen).train_set()[0, 11][1] == 1


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_damaged_photograph_is_named(photographs: Path, content: bytes | None) -> None:
    file = photographs / "val" / "n01" / "n01_1.JPEG"
    file.write_bytes(file.read_bytes()[:-200] if content is None else content)
    with pytest.raises(ValueError, match=r"n01/n01_1.JPEG is not a complete image .*; copy it again"):
        loaded(ImageNetData(photographs, classes=3, batch_size=2).test_dataloader())


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P"])
def test_photographs_of_all_kinds_become_three_channels(photographs: Path, mode: str) -> None:
    file = photographs / "val" / "n01" / "n01_1.JPEG"
    Image.open(file).convert(mode).save(file, "PNG" if mode in ("RGBA", "P") else "JPEG")
    data = ImageNetData(photographs, classes=3, views=Views(test_size=32), batch_size=3)
    assert brightest(loaded(data.test_dataloader())[0])[2:] == [1, 1, 2, 2]


def test_the_classes_of_a_folder_are_counted(photographs: Path) -> None:
    data = ImageFolderData(photographs, views=Views(test_size=32), batch_size=3)
    assert data.classes == 3
    assert loaded(data.test_dataloader())[1].bincount().tolist() == [2, 2, 2]
    chosen = photographs / "classes.txt"
    chosen.write_text("n03\nn01\n")
    assert ImageFolderData(photographs, class_list=chosen).classes == 2
    chosen.write_text("n03\n")
    with pytest.raises(ValueError, match=r"class_list=.* has 1 classes, but a classifier needs 2 or more; add folders"):
        ImageFolderData(photographs, class_list=chosen)
    with pytest.raises(
        FileNotFoundError, match=r"root=.*nowhere does not hold images .*Put the images into .*/train/CL"
    ):
        ImageFolderData(photographs / "nowhere")
