"""Tar shards of photographs: for data that does not fit one machine.

A shard holds, one after another, `KEY.jpg` (or `.jpeg`, `.png`) and `KEY.cls`, its label as a number, as the
`webdataset` library reads them; `write_shards` makes such shards of folders.
"""

from __future__ import annotations

from pathlib import Path

from webdataset.shardlists import expand_urls

from experiments.training.data.contents import digest
from experiments.training.data.files import require
from experiments.training.data.loader import Loader
from experiments.training.data.module import ImageData
from experiments.training.data.order import EvaluationOrder, TrainingOrder
from experiments.training.data.streams import EvaluationStream, ShardLoader, TrainingStream
from experiments.training.data.views import Views

_VIEWS = Views()


class ShardsData(ImageData):
    """Photographs in tar shards, shuffled in a buffer; the samples of `val` also serve as the test set.

    Args:
        train, val: paths or addresses of the shards, with ranges in braces: `train-{000000..000146}.tar`.
        train_samples, val_samples: number of samples in them.
        classes: number of labels.
        views: crops and augmentation.
        buffer: number of samples from which the next one is drawn in training.
        batch_size, seed, workers: see `ImageData`; here the order also depends on the number of workers.
    """

    channels = 3

    def __init__(
        self,
        train: str,
        train_samples: int,
        val: str,
        val_samples: int,
        classes: int = 1000,
        views: Views = _VIEWS,
        buffer: int = 5000,
        batch_size: int = 128,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(batch_size, seed, workers)
        self.train = self.place = train
        self.val = val
        self.train_samples, self.val_samples = train_samples, val_samples
        self.classes, self.size = classes, views.size
        self.views = views
        self.buffer = buffer

    def train_dataloader(self) -> Loader:
        rank, processes = self._process()
        shards = _present(self.train)
        # Those that are not on the file system count by their names alone.
        self.contents = digest((Path(shard).name, Path(shard) if _is_local(shard) else None) for shard in shards)
        if len(shards) < processes * max(self.workers, 1):
            raise ValueError(
                f"train={self.train} names {len(shards)} shards, but each of {self.workers} workers on each of "
                f"{processes} processes needs one; use fewer workers or smaller shards"
            )
        order = TrainingOrder(self.train_samples, self.batch_size, rank, processes)
        stream = TrainingStream(shards, order, self.classes, self.views.training(), self.seed, self.buffer)
        return ShardLoader(stream, self.workers)

    def val_dataloader(self) -> Loader:
        order = EvaluationOrder(self.val_samples, self.batch_size, *self._process())
        stream = EvaluationStream(_present(self.val), order, self.classes, self.views.evaluation(), self.seed)
        return ShardLoader(stream, self.workers)

    def test_dataloader(self) -> Loader:
        return self.val_dataloader()


def _present(pattern: str) -> list[str]:
    """The shards of a pattern; raises if one on the file system is missing."""
    shards = expand_urls(pattern)
    local = [Path(shard) for shard in shards if _is_local(shard)]
    remedy = "Copy the shards there, or make them with `python -m experiments.training.data.write_shards`."
    require("all shards", Path(shards[0]).parent, local, remedy)
    return shards


def _is_local(shard: str) -> bool:
    return ":" not in shard
