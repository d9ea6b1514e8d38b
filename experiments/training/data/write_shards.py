"""Tar shards of photographs in one folder for each class: `python -m experiments.training.data.write_shards`."""

from __future__ import annotations

import random
from pathlib import Path

import typer
import webdataset
from torchvision.datasets import ImageFolder

from experiments.training.data.streams import IMAGES


def write_shards(folder: Path, out: Path, name: str = "train", per_shard: int = 10_000, seed: int = 0) -> None:
    """Writes the images of FOLDER, unchanged and in random order, to OUT/NAME-000000.tar and so on.

    Classes are numbered in the order of their folders' names. Prints the number of images, which `ShardsData` needs.
    """
    samples = ImageFolder(str(folder)).samples
    foreign = [file for file, _ in samples if _kind(file) not in IMAGES]
    if foreign:
        raise ValueError(f"{foreign[0]} and {len(foreign) - 1} more images are not {', '.join(IMAGES)}; convert them")
    random.Random(seed).shuffle(samples)  # noqa: S311 - no secret depends on it
    out.mkdir(parents=True, exist_ok=True)
    with webdataset.ShardWriter(f"{out / name}-%06d.tar", maxcount=per_shard, verbose=0, mtime=0) as writer:
        for number, (file, label) in enumerate(samples):
            writer.write({"__key__": f"{number:08d}", _kind(file): Path(file).read_bytes(), "cls": label})
    print(f"{len(samples)} samples")


def _kind(file: str) -> str:
    return Path(file).suffix.lower().removeprefix(".")


if __name__ == "__main__":
    typer.run(write_shards)
