"""Data modules that need no download: handwritten digits, tasks composed of them, and contours."""

from __future__ import annotations

from collections.abc import Callable

from torch.utils.data import TensorDataset

from experiments.tasks import handwritten
from experiments.tasks.batches import Draw
from experiments.tasks.centred import CLASSES as CENTRED_CLASSES
from experiments.tasks.centred import centred
from experiments.tasks.cluttered import ClutteredDigits
from experiments.tasks.displaced import CANVAS, DISTANCES, DisplacedDigits
from experiments.tasks.handwritten import DIGIT, Digits, split_digits, standardised
from experiments.tasks.pathfinder import Pathfinder
from experiments.tasks.seeded import KeyedSet, Seeded
from experiments.training.data.drawn import DrawnData
from experiments.training.data.module import IndexedData


class DigitsData(IndexedData):
    """Handwritten digits with mean 0 and variance 1; a fifth of them for validation, a fifth for the test.

    Args:
        size: size in pixels to which the 8x8 images are enlarged; 8 leaves them unchanged.
        batch_size, seed, workers: see `ImageData`.
    """

    classes = handwritten.CLASSES
    channels = 1

    def __init__(self, size: int = DIGIT, batch_size: int = 64, seed: int = 0, workers: int = 0) -> None:
        super().__init__(batch_size, seed, workers)
        if size < DIGIT:
            raise ValueError(f"size={size} must be {DIGIT}, the size of the images, or more")
        self.size = size
        self._pools = standardised(split_digits(), size)

    def train_set(self) -> KeyedSet:
        return self._set(self._pools.train)

    def val_set(self) -> KeyedSet:
        return self._set(self._pools.validation)

    def test_set(self) -> KeyedSet:
        return self._set(self._pools.test)

    def _set(self, pool: Digits) -> KeyedSet:
        return Seeded(TensorDataset(pool.images, pool.labels), self.seed)


class DisplacedDigitsData(DrawnData):
    """The task: how far apart two digits are; see `displaced`.

    Args:
        distances: distances in pixels, from 8 to half the canvas; each gives two classes, to the right and down.
        samples, held_out, batch_size, seed, workers: see `DrawnData`.
    """

    size = CANVAS

    def __init__(
        self,
        distances: tuple[int, ...] = DISTANCES,
        samples: int = 4096,
        held_out: int = 2048,
        batch_size: int = 64,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(samples, held_out, batch_size, seed, workers)
        if not distances or not all(DIGIT <= distance <= CANVAS // 2 for distance in distances):
            raise ValueError(
                f"distances={distances} must be between {DIGIT}, so that the digits do not overlap, and {CANVAS // 2}, "
                "half the canvas, which wraps around"
            )
        self.distances = tuple(distances)
        self.classes = 2 * len(distances)

    def draws(self) -> tuple[Draw, Draw, Draw]:
        return _of_each_pool(lambda pool: DisplacedDigits(pool.images.squeeze(1), self.distances))


class CentredDigitsData(DrawnData):
    """The task: which digit is in the centre of the canvas; see `centred`.

    Args:
        samples, held_out, batch_size, seed, workers: see `DrawnData`.
    """

    classes = CENTRED_CLASSES
    size = CANVAS

    def draws(self) -> tuple[Draw, Draw, Draw]:
        return _of_each_pool(centred)


class ClutteredDigitsData(DrawnData):
    """The task: which digit is whole, among pieces of others; see `cluttered`.

    Args:
        size: size of the canvas in pixels.
        pieces: number of pieces on each canvas.
        samples, held_out, batch_size, seed, workers: see `DrawnData`.
    """

    classes = handwritten.CLASSES

    def __init__(
        self,
        size: int = 32,
        pieces: int = 8,
        samples: int = 4096,
        held_out: int = 2048,
        batch_size: int = 64,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(samples, held_out, batch_size, seed, workers)
        self.size = size
        self._tasks = _of_each_pool(lambda pool: ClutteredDigits(pool, size, pieces))

    def draws(self) -> tuple[Draw, Draw, Draw]:
        return self._tasks


class PathfinderData(DrawnData):
    """The task: whether a contour joins two dots; see `pathfinder`.

    Args:
        size: size of the canvas in pixels.
        length: number of dashes of each of the two long contours, which sets the difficulty.
        distractors: number of further contours.
        samples, held_out, batch_size, seed, workers: see `DrawnData`.
    """

    classes = 2
    block = 64
    """Contours are proposed by the hundred and most are rejected, so that small blocks would waste work."""

    def __init__(
        self,
        size: int = 32,
        length: int = 4,
        distractors: int = 2,
        samples: int = 16384,
        held_out: int = 2048,
        batch_size: int = 64,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(samples, held_out, batch_size, seed, workers)
        self.size = size
        self.task = Pathfinder(size, length=length, distractors=distractors)

    def draws(self) -> tuple[Draw, Draw, Draw]:
        return self.task, self.task, self.task


def _of_each_pool(task: Callable[[Digits], Draw]) -> tuple[Draw, Draw, Draw]:
    """A task of digits for training, validation and test, from disjoint sets of digits."""
    pools = split_digits()
    return task(pools.train), task(pools.validation), task(pools.test)
