"""Data modules that need no download: handwritten digits as they are, and tasks that are drawn from them."""

from __future__ import annotations

from torch.utils.data import TensorDataset

from experiments.common.data import handwritten
from experiments.common.data.batches import Draw
from experiments.common.data.centred import CLASSES as CENTRED_CLASSES
from experiments.common.data.centred import centred
from experiments.common.data.cluttered import ClutteredDigits
from experiments.common.data.displaced import CANVAS, DISTANCES, DisplacedDigits
from experiments.common.data.drawn import DrawnData
from experiments.common.data.handwritten import DIGIT, Digits, split_digits, standardised
from experiments.common.data.module import IndexedData
from experiments.common.data.seeded import KeyedSet, Seeded


class DigitsData(IndexedData):
    """Handwritten digits, of mean 0 and variance 1; every fifth tests, every fifth validates.

    Args:
        size: to which the 8x8 images are enlarged; 8 leaves them as they are.
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
    """How far apart two digits are; see `displaced`.

    Args:
        distances: in pixels, from 8 to half the canvas; two classes each, to the right and down.
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
        pools = split_digits()
        train, validation, test = (
            DisplacedDigits(pool.images.squeeze(1), self.distances)
            for pool in (pools.train, pools.validation, pools.test)
        )
        return train, validation, test


class CentredDigitsData(DrawnData):
    """Which digit stands in the middle of the canvas; see `centred`.

    Args:
        samples, held_out, batch_size, seed, workers: see `DrawnData`.
    """

    classes = CENTRED_CLASSES
    size = CANVAS

    def __init__(
        self, samples: int = 4096, held_out: int = 2048, batch_size: int = 64, seed: int = 0, workers: int = 0
    ) -> None:
        super().__init__(samples, held_out, batch_size, seed, workers)

    def draws(self) -> tuple[Draw, Draw, Draw]:
        pools = split_digits()
        return centred(pools.train), centred(pools.validation), centred(pools.test)


class ClutteredDigitsData(DrawnData):
    """Which digit stands somewhere among pieces of others; see `cluttered`.

    Args:
        size: of the canvas, in pixels.
        pieces: on each canvas.
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
        pools = split_digits()
        self._tasks = (
            ClutteredDigits(pools.train, size, pieces),
            ClutteredDigits(pools.validation, size, pieces),
            ClutteredDigits(pools.test, size, pieces),
        )

    def draws(self) -> tuple[Draw, Draw, Draw]:
        return self._tasks
