"""Photographs in folders, one for each class, to tar shards: `python -m experiments.training.data.write_shards`."""

from __future__ import annotations

import random
from pathlib import Path

import typer
import webdataset
from torchvision.datasets import ImageFolder

from experiments.training.data.streams import IMAGES


def write_shards(folder: Path, out: Path, name: str = "train", per_shard: int = 10_000, seed: int = 0) -> int:
    """Writes all images of `folder`, as they are and in random order, to `out/NAME-000000.tar` and so on.

    Classes are numbered in the order of their folders' names. Returns the number of images, which `ShardsData` needs.

    Raises:
        ValueError: an image is of a kind that `ShardsData` does not read.
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
    return len(samples)


def _kind(file: str) -> str:
    return Path(file).suffix.lower().removeprefix(".")


def main(folder: Path, out: Path, name: str = "train", per_shard: int = 10_000, seed: int = 0) -> None:
    """Write the images of FOLDER to shards in OUT, and print how many they are."""
    print(f"{write_shards(folder, out, name, per_shard, seed)} samples")


if __name__ == "__main__":
    typer.run(main)
