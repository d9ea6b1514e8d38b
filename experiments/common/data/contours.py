"""Data module of Pathfinder's contours, which need no download either."""

from __future__ import annotations

from experiments.common.data.batches import Draw
from experiments.common.data.drawn import DrawnData
from experiments.common.data.pathfinder import Pathfinder


class PathfinderData(DrawnData):
    """Whether one contour joins two dots; see `pathfinder`.

    Args:
        size: of the canvas, in pixels.
        length: dashes of each of the two long contours, the difficulty.
        distractors: further contours.
        samples, held_out, batch_size, seed, workers: see `DrawnData`.
    """

    classes = 2
    block = 64
    """Contours are proposed by the hundred, and most of them thrown away, however few are wanted."""

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
