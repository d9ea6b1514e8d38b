"""Small data sets of made-up images, in the formats in which the real ones are published."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

Images = np.ndarray[Any, Any]


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def made_up(count: int, classes: int, shape: tuple[int, ...], seed: int) -> tuple[Images, list[int]]:
    """Images of random bytes, and labels: as many of each class."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8), [i % classes for i in range(count)]


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch, reader: type[datasets.CIFAR10], key: str) -> None:
    """Pickled batches of channels first, in one row each; the checksums are made those of these files."""
    folder = root / reader.base_folder
    folder.mkdir()
    classes = 100 if key == "fine_labels" else 10
    for part in ("train_list", "test_list"):
        names = [name for name, _ in getattr(reader, part)]
        for number, name in enumerate(names):
            images, labels = made_up(200 // len(names), classes, (3 * 32 * 32,), seed=number + 7 * len(part))
            (folder / name).write_bytes(pickle.dumps({"data": images, key: labels}))
        monkeypatch.setattr(reader, part, [[name, md5(folder / name)] for name in names])
    meta = folder / reader.meta["filename"]
    meta.write_bytes(pickle.dumps({reader.meta["key"]: [str(c) for c in range(classes)]}))
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": md5(meta)})


COLOURS = {"n01": (250, 10, 10), "n02": (10, 250, 10), "n03": (10, 10, 250)}


def write_photographs(root: Path) -> None:
    """Folders of JPEG files as those of ImageNet, in one colour for each class, each of another shade and shape."""
    for part, count in (("train", 6), ("val", 2)):
        for name, colour in COLOURS.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                shade = tuple(max(value - 10 * number - (5 if part == "val" else 0), 0) for value in colour)
                Image.new("RGB", (40 + number, 60), shade).save(folder / f"{name}_{number}.JPEG", quality=95)
