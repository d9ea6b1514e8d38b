"""Tar shards read from beginning to end: which worker reads which samples, in which order, and where it resumes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import webdataset
from PIL import Image
from torch.utils.data import IterableDataset, default_collate, get_worker_info
from webdataset.autodecode import Decoder, DecodingError, imagehandler
from webdataset.gopen import gopen
from webdataset.tariterators import group_by_keys, tar_file_expander

from experiments.tasks.batches import Batch
from experiments.tasks.seeded import randomness, seed_of
from experiments.training.data.files import Transform
from experiments.training.data.loader import Loader, one_pass
from experiments.training.data.order import Order, TrainingOrder

Sample = dict[str, Any]
IMAGES, _LABEL = ("jpg", "jpeg", "png"), "cls"
# Only these: webdataset would unpickle members of other kinds, too.
_DECODER = Decoder([imagehandler("pilrgb")], only=[*IMAGES, _LABEL])


class Stream(IterableDataset[Batch]):
    """Batches of an epoch from batch `start` on; `epoch` and `start` are set before each pass.

    Args:
        shards: paths or addresses.
        order: number and size of the batches.
        classes: number of labels.
        transform: turns an image into a tensor.
        seed: seed of shuffling and augmentation.
    """

    def __init__(self, shards: list[str], order: Order, classes: int, transform: Transform, seed: int) -> None:
        self.order = order
        self.epoch = 0
        self.start = 0
        self._shards = shards
        self._classes = classes
        self._transform = transform
        self._seed = seed

    def _batch(self, samples: list[Sample]) -> Batch:
        return default_collate([self._view(sample) for sample in samples])

    def _view(self, sample: Sample) -> tuple[Any, int]:
        image, label = decoded(sample, self._classes)
        with randomness(seed_of(self._seed, self.epoch, sample["__key__"])):
            return self._transform(image), label


class TrainingStream(Stream):
    """Shards in random order, divided among processes and workers, their samples shuffled in a buffer.

    The order depends on the seed, the epoch, and the numbers of processes and workers. A worker whose shards are read
    starts over if others have more, so that every process has equally many batches. If the shards are of equal size and
    their number is a multiple of the number of workers, no sample is seen twice. A pass that starts late in an epoch
    reads the samples before it, but decodes none of them.

    Args:
        shards, order, classes, transform, seed: see `Stream`.
        buffer: number of samples from which the next one is drawn.
    """

    def __init__(
        self, shards: list[str], order: TrainingOrder, classes: int, transform: Transform, seed: int, buffer: int
    ) -> None:
        super().__init__(shards, order, classes, transform, seed)
        self._buffer = buffer

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = _worker()
        # PyTorch asks worker 0 for the first batch; it takes the place of the worker whose turn it was.
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
            for sample in shuffle(_read(mine)):
                yield sample
            if sample is None:
                raise ValueError(f"shards {mine} hold no sample; each must hold some, or be left out")


class EvaluationStream(Stream):
    """Each sample once. Every worker reads all shards, and decodes only the samples of its batches."""

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = _worker()
        samples, place = _read(self._shards), 0
        for keys in islice(self.order.batches(self.epoch, self.start), worker, None, workers):
            first, last = keys[0][1], keys[-1][1]
            chosen = list(islice(samples, first - place, last + 1 - place))
            if len(chosen) < len(keys):
                raise ValueError(f"val_samples={self.order.count} must be the number of samples in {self._shards}")
            yield self._batch(chosen)
            place = last + 1


class ShardLoader(Loader):
    """Loads a stream.

    Each worker has its own shards, so a state can only be loaded with the number of workers that saved it.
    """

    def __init__(self, stream: Stream, workers: int = 0) -> None:
        super().__init__(stream.order)
        self._stream = stream
        self._workers = workers

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        self._stream.epoch, self._stream.start = epoch, start
        return islice(one_pass(self._stream, self._workers, batch_size=None), len(self) - start)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"workers": self._workers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["workers"] != self._workers:
            raise ValueError(f"workers={self._workers} must be {state['workers']}, as when the state was saved")
        super().load_state_dict(state)


def decoded(sample: Sample, classes: int) -> tuple[Image.Image, int]:
    """Image and label.

    Raises:
        ValueError: one of them is missing or damaged, or the label is not below `classes`; the message names the
            sample and its shard.
    """
    place = f"sample {sample['__key__']} of {sample['__url__']}"
    kinds = sorted(kind for kind in sample if not kind.startswith("__"))
    image = next((kind for kind in IMAGES if kind in kinds), None)
    if image is None or _LABEL not in kinds:
        raise ValueError(f"{place} holds {kinds}; it must hold {_LABEL}, its label, and one of {', '.join(IMAGES)}")
    try:
        content = _DECODER(sample)
    except DecodingError as error:
        raise ValueError(f"{place} has a damaged {error.k} ({error.__cause__}); write the shard again") from error
    label = content[_LABEL]
    if not 0 <= label < classes:
        raise ValueError(f"{place} has the label {label}; it must be from 0 to {classes - 1}, as classes={classes}")
    return content[image], label


def _read(shards: list[str]) -> Iterator[Sample]:
    """All samples, as bytes."""
    samples: Iterator[Sample] = group_by_keys(tar_file_expander(_opened(shards)))
    return samples


def _opened(shards: list[str]) -> Iterator[Sample]:
    """The shards one by one, each closed after it is read, which webdataset's own reader leaves to the interpreter."""
    for shard in shards:
        with gopen(shard) as stream:
            yield {"url": shard, "stream": stream}


def _worker() -> tuple[int, int]:
    """Index of this worker, and number of workers."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
