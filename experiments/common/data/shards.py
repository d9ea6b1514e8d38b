"""Tar shards of photographs, read from beginning to end: for data that does not fit one machine.

A shard holds, one after another, `KEY.jpg` (or `.jpeg`, `.png`) and `KEY.cls`, its label as a number, as the
`webdataset` library reads them; `write_shards` makes such shards of folders.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
import webdataset
from torch.utils.data import DataLoader, IterableDataset, default_collate, get_worker_info
from webdataset.shardlists import expand_urls

from experiments.common.data.batches import Batch
from experiments.common.data.files import Transform, require
from experiments.common.data.loader import Loader
from experiments.common.data.module import ImageData
from experiments.common.data.order import EvaluationOrder, Order, TrainingOrder
from experiments.common.data.seeded import randomness, seed_of
from experiments.common.data.views import Views

Sample = dict[str, Any]
_VIEWS = Views()


class Stream(IterableDataset[Batch]):
    """Batches of an epoch from a place on that can be moved between passes.

    Args:
        shards: paths or addresses.
        order: how many batches there are, and of which size.
        transform: of an image.
        seed: of what is random.
    """

    def __init__(self, shards: list[str], order: Order, transform: Transform, seed: int) -> None:
        self.order = order
        self.epoch = 0
        self.start = 0
        self._shards = shards
        self._transform = transform
        self._seed = seed

    def _read(self, shards: list[str], *stages: Any) -> Iterator[Sample]:
        """Samples as bytes."""
        return iter(
            webdataset.DataPipeline(webdataset.SimpleShardList(shards), webdataset.tarfile_to_samples(), *stages)
        )

    def _batch(self, samples: list[Sample]) -> Batch:
        decoded = webdataset.to_tuple("jpg;jpeg;png", "cls", "__key__")(webdataset.decode("pilrgb")(iter(samples)))
        return default_collate([(self._view(image, key), label) for image, label, key in decoded])

    def _view(self, image: Any, key: str) -> Any:
        with randomness(seed_of(self._seed, self.epoch, key)):
            return self._transform(image)


class TrainingStream(Stream):
    """Shards in a random order, shared out to processes and workers, and their samples through a random buffer.

    All depends on seed, epoch and the number of processes and of workers. Each worker goes on from the beginning of
    its shards if others have more: every process has equally many batches, and if the shards are of equal size and
    their number is a multiple of all workers of all processes, none is seen twice. A pass that starts late in an epoch
    reads what comes before, but decodes none of it.

    Args:
        shards, order, transform, seed: see `Stream`.
        buffer: samples among which the next one is drawn.
    """

    def __init__(self, shards: list[str], order: TrainingOrder, transform: Transform, seed: int, buffer: int) -> None:
        super().__init__(shards, order, transform, seed)
        self._buffer = buffer

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = _worker()
        # The first batch is always asked from worker 0, which does here what the worker did whose turn it was.
        worker = (worker + self.start) % workers
        done = len(range(worker, self.start, workers))
        size = self.order.batch_size
        samples = islice(self._endless(worker, workers), done * size, None)
        while True:
            yield self._batch(list(islice(samples, size)))

    def _endless(self, worker: int, workers: int) -> Iterator[Sample]:
        shards = sorted(self._shards)
        random.Random(seed_of(self._seed, self.epoch)).shuffle(shards)  # noqa: S311 - no secret depends on it
        mine = shards[self.order.rank :: self.order.world_size][worker::workers]
        for number in count():
            seed = seed_of(self._seed, self.epoch, number)
            shuffle = webdataset.shuffle(self._buffer, initial=self._buffer, seed=seed)
            sample = None
            for sample in self._read(mine, shuffle):
                yield sample
            if sample is None:
                raise ValueError(f"shards {mine} hold no sample; each must hold some, or be left out")


class EvaluationStream(Stream):
    """Each sample once. Every worker reads all shards, and decodes what is in its batches."""

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = _worker()
        samples, place = self._read(self._shards), 0
        for keys in islice(self.order.batches(self.epoch, self.start), worker, None, workers):
            first, last = keys[0][1], keys[-1][1]
            chosen = list(islice(samples, first - place, last + 1 - place))
            if len(chosen) < len(keys):
                raise ValueError(f"val_samples={self.order.count} must be the number of samples in {self._shards}")
            yield self._batch(chosen)
            place = last + 1


class ShardLoader(Loader):
    """Loads a stream; a state can be loaded with the same number of workers only, as each has its own shards."""

    def __init__(self, stream: Stream, workers: int = 0) -> None:
        super().__init__()
        self._stream = stream
        self._workers = workers
        self._loader = DataLoader(
            stream,
            batch_size=None,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        return len(self._stream.order)

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        self._stream.epoch, self._stream.start = epoch, start
        return islice(iter(self._loader), len(self) - start)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"workers": self._workers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["workers"] != self._workers:
            raise ValueError(f"workers={self._workers} must be {state['workers']}, as when the state was saved")
        super().load_state_dict(state)


class ShardsData(ImageData):
    """Photographs in tar shards, in the order of a random buffer; the samples of `val` are the test, too.

    Args:
        train, val: paths or addresses of the shards, with ranges in braces: `train-{000000..000146}.tar`.
        train_samples, val_samples: how many there are.
        classes: number of labels.
        views: crops and augmentation.
        buffer: samples among which the next one is drawn in training.
        batch_size, seed, workers: see `ImageData`; here the order depends on the number of workers, too.
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
        self.train, self.val = train, val
        self.train_samples, self.val_samples = train_samples, val_samples
        self.classes, self.size = classes, views.size
        self.views = views
        self.buffer = buffer

    def train_dataloader(self) -> Loader:
        rank, processes = self._process()
        shards = _present(self.train)
        if len(shards) < processes * max(self.workers, 1):
            raise ValueError(
                f"train={self.train} names {len(shards)} shards, and each of {self.workers} workers of {processes} "
                "processes needs one; use fewer workers or smaller shards"
            )
        order = TrainingOrder(self.train_samples, self.batch_size, rank, processes)
        stream = TrainingStream(shards, order, self.views.training(), self.seed, self.buffer)
        return ShardLoader(stream, self.workers)

    def val_dataloader(self) -> Loader:
        order = EvaluationOrder(self.val_samples, self.batch_size, *self._process())
        return ShardLoader(
            EvaluationStream(_present(self.val), order, self.views.evaluation(), self.seed), self.workers
        )

    def test_dataloader(self) -> Loader:
        return self.val_dataloader()


def _present(pattern: str) -> list[str]:
    """The shards of a pattern; those of the file system are there."""
    shards = expand_urls(pattern)
    local = [Path(shard) for shard in shards if ":" not in shard]
    remedy = "Copy the shards there, or make them with `python -m experiments.common.data.write_shards`."
    require("all shards", Path(shards[0]).parent, local, remedy)
    return shards


def _worker() -> tuple[int, int]:
    """Number of this worker, and how many there are."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
