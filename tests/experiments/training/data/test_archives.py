"""Published data sets, read from small files in the formats in which they are published."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from torch import Tensor
from torchvision import datasets

from experiments.training.data.archives import ArchiveData, CIFAR10Data, CIFAR100Data, FashionMNISTData, SVHNData
from experiments.training.data.loader import Loader
from tests.experiments.published import Images, made_up, md5, write_cifar


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(root, monkeypatch, datasets.CIFAR10, "labels")


def write_cifar100(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(root, monkeypatch, datasets.CIFAR100, "fine_labels")


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matlab files: height, width, channels, images; the digit 0 has the label 10."""
    table = dict(datasets.SVHN.split_list)
    for part in ("train", "test"):
        images, labels = made_up(200, 10, (32, 32, 3), seed=len(part))
        file = root / table[part][1]
        scipy.io.savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": [[label or 10] for label in labels]})
        table[part] = [table[part][0], file.name, md5(file)]
    monkeypatch.setattr(datasets.SVHN, "split_list", table)


def write_fashion_mnist(root: Path, _: pytest.MonkeyPatch) -> None:
    """Big-endian sizes, then bytes; torchvision checks no sum of the unpacked files."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        images, labels = made_up(200, 10, (28, 28), seed=len(part))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, 200, 28, 28) + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 200) + bytes(labels))


ARCHIVES: dict[type[ArchiveData], Callable[[Path, pytest.MonkeyPatch], None]] = {
    CIFAR10Data: write_cifar10,
    CIFAR100Data: write_cifar100,
    SVHNData: write_svhn,
    FashionMNISTData: write_fashion_mnist,
}


FIRST_OF_TEST: dict[type[ArchiveData], Callable[[], Images]] = {
    CIFAR10Data: lambda: made_up(200, 10, (3 * 32 * 32,), 7 * 9)[0][0].reshape(3, 32, 32),
    CIFAR100Data: lambda: made_up(200, 100, (3 * 32 * 32,), 7 * 9)[0][0].reshape(3, 32, 32),
    SVHNData: lambda: made_up(200, 10, (32, 32, 3), 4)[0][0].transpose(2, 0, 1),
    FashionMNISTData: lambda: made_up(200, 10, (28, 28), 4)[0][:1],
}


every = pytest.mark.parametrize("module", ARCHIVES)


def loaded(loader: Any) -> tuple[Tensor, Tensor]:
    assert isinstance(loader, Loader)
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


def rows(images: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


@every
def test_pixels_and_labels_arrive(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ARCHIVES[module](tmp_path, monkeypatch)
    data = module(tmp_path, validation=0, batch_size=200)
    images, labels = loaded(data.test_dataloader())
    assert labels.tolist() == [number % data.classes for number in range(200)]
    mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in data.statistics)
    expected = (torch.from_numpy(FIRST_OF_TEST[module]()).float() / 255 - mean) / deviation
    torch.testing.assert_close(images[0], expected, rtol=0, atol=1e-5)
    assert images.shape[1:] == (data.channels, data.size, data.size)
    training = loaded(data.train_dataloader())
    assert training[0].shape == images.shape
    assert training[1].bincount().tolist() == [200 // data.classes] * data.classes
    assert data.val_dataloader() == []


@every
def test_validation_is_held_out_class_by_class(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ARCHIVES[module](tmp_path, monkeypatch)
    monkeypatch.setattr(module, "_augmented", module._plain)
    held_out = 100 if module is CIFAR100Data else 50
    data = module(tmp_path, validation=held_out, batch_size=50)
    (train, _), (validation, labels), (test, _) = (
        loaded(part) for part in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    )
    assert labels.bincount().tolist() == [held_out // data.classes] * data.classes
    assert len(rows(train)) + len(rows(validation)) == 200
    assert not rows(train) & rows(validation)
    assert not rows(test) & (rows(train) | rows(validation))
    again = loaded(module(tmp_path, validation=held_out, seed=1).val_dataloader())[0]
    assert torch.equal(again, validation)


def shifts(image: Tensor, flip: bool) -> list[Tensor]:
    """All crops of an image with a border of four pixels of zeros, and of its mirror image if that is allowed."""
    size = image.shape[-1]
    padded = torch.nn.functional.pad(image, (4, 4, 4, 4))
    crops = [padded[:, row : row + size, column : column + size] for row in range(9) for column in range(9)]
    return crops + ([crop.flip(-1) for crop in crops] if flip else [])


@every
def test_training_images_are_shifted_and_where_it_is_fair_mirrored(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ARCHIVES[module](tmp_path, monkeypatch)
    data = module(tmp_path, validation=0)
    augmented, source = data.train_set(), data._source(True, lambda image: image)
    mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in data.statistics)
    found = set()
    for epoch in range(12):
        pixels = (augmented[epoch, 3][0] * deviation + mean) * 255
        image = torch.from_numpy(np.array(source[3][0])).view(data.size, data.size, -1).permute(2, 0, 1).float()
        matches = [n for n, crop in enumerate(shifts(image, flip=True)) if torch.allclose(crop, pixels, atol=0.01)]
        assert len(matches) == 1
        found.add(matches[0])
        assert torch.equal(augmented[epoch, 3][0], augmented[epoch, 3][0])
    assert len(found) > 8
    assert any(number >= 81 for number in found) == (module is not SVHNData)


@every
def test_a_missing_set_says_what_to_download_and_where_to_put_it(module: Any, tmp_path: Path) -> None:
    archives = {
        CIFAR10Data: ("cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_1"),
        CIFAR100Data: ("cifar-100-python.tar.gz", "cifar-100-python/train"),
        SVHNData: ("train_32x32.mat and test_32x32.mat", "train_32x32.mat"),
        FashionMNISTData: ("train-images-idx3-ubyte.gz", "FashionMNIST/raw/train-images-idx3-ubyte"),
    }
    archive, file = archives[module]
    with pytest.raises(FileNotFoundError, match=f"root={tmp_path} does not hold") as error:
        module(tmp_path).train_dataloader()
    assert f"{tmp_path / file}" in str(error.value)
    assert f"Download {archive}" in str(error.value)


def test_packed_fashion_mnist_is_to_be_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fashion_mnist(tmp_path, monkeypatch)
    file = tmp_path / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte"
    file.with_suffix(".gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"missing .*t10k-labels-idx1-ubyte.*unpack them there with gunzip"):
        FashionMNISTData(tmp_path).test_dataloader()


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"half of a download")
    with pytest.raises(ValueError, match=f"root={tmp_path} holds files of CIFAR-10 that are not as published"):
        CIFAR10Data(tmp_path).train_dataloader()


def test_a_validation_part_that_cannot_be_held_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="validation=-1 must not be negative"):
        CIFAR10Data(validation=-1)
    write_cifar10(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=r"validation=195 of 200 training images .* use 0, or 10 to 190"):
        CIFAR10Data(tmp_path, validation=195).train_dataloader()


@pytest.mark.parametrize("content", [b"", b"neither sizes nor images", struct.pack(">IIII", 2051, 200, 28, 28)])
def test_files_without_checksums_are_refused_if_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    write_fashion_mnist(tmp_path, monkeypatch)
    (tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=r"holds files of Fashion-MNIST that are not as published \(.*Download"):
        FashionMNISTData(tmp_path).train_dataloader()


def test_contents_change_with_a_byte_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Fashion-MNIST, whose unpacked files torchvision compares with nothing."""

    def contents() -> str:
        data = FashionMNISTData(tmp_path, validation=50)
        data.train_dataloader()
        return data.contents

    write_fashion_mnist(tmp_path, monkeypatch)
    before = contents()
    assert contents() == before
    file = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    assert contents() != before
