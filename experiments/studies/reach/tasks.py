"""What the nets of the study learn: two classes each, and a distance that has to be bridged to tell them apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch

from experiments.studies.reach.config import Config
from experiments.tasks.batches import Batch, Draw
from experiments.tasks.displaced import CANVAS, DisplacedDigits, displaced_digits
from experiments.tasks.handwritten import DIGIT, Digits, split_digits
from experiments.tasks.pathfinder import Pathfinder

CONTROL, DISPLACED, PATHFINDER = "control", "displaced digits", "Pathfinder"
CLASSES = 2
_KINDS = (0, 1)


@dataclass(frozen=True)
class WhichDigit:
    """The control: the canvases of displaced digits, and another question, whether the digits are zeros or ones.

    Attributes:
        zeros, ones: the tasks that the canvases come from.
    """

    zeros: DisplacedDigits
    ones: DisplacedDigits

    def __call__(self, count: int, generator: torch.Generator) -> Batch:
        labels = torch.arange(count)[torch.randperm(count, generator=generator)] % CLASSES
        zeros, ones = (task(count, generator)[0] for task in (self.zeros, self.ones))
        return torch.where(labels.view(-1, 1, 1, 1).bool(), ones, zeros), labels


@dataclass(frozen=True)
class Task:
    """A family of tasks at one distance.

    Attributes:
        family: `CONTROL`, `DISPLACED` or `PATHFINDER`.
        reach: pixels from one digit to the other, or along the contour that joins the dots; 0 for the control.
        size: side of the canvas in pixels.
    """

    family: str
    reach: int
    size: int

    @property
    def name(self) -> str:
        return self.family if self.family == CONTROL else f"{self.family}, {self.reach} px"


def needed_window(task: Task) -> int:
    """The side of the smallest square that sees ink of both digits, or a straight contour along its diagonal.

    A field of view below it cannot solve the task, whatever the net: digits are at most 8 pixels wide.
    """
    if task.family == CONTROL:
        return 1
    return task.reach - DIGIT + 2 if task.family == DISPLACED else math.floor(task.reach / math.sqrt(2))


@cache
def draws(task: Task) -> tuple[Draw, Draw]:
    """The task to train with and the one to test with; the digits of the two are disjoint."""
    if task.family == PATHFINDER:
        contours = pathfinder(task.reach, task.size)
        return contours, contours
    if task.family == DISPLACED:
        return displaced_digits((task.reach,))
    pools = split_digits(validation=())
    return _which_digit(pools.train), _which_digit(pools.test)


def _which_digit(pool: Digits) -> WhichDigit:
    return WhichDigit(*(DisplacedDigits(pool.images[pool.labels == kind].squeeze(1)) for kind in _KINDS))


def pathfinder(reach: int, size: int) -> Pathfinder:
    """Two contours of that length in pixels, and no others."""
    dashes = Pathfinder(size=size, distractors=0, turn=0.2)
    return Pathfinder(
        size=size, length=round((reach + dashes.gap) / (dashes.dash + dashes.gap)), distractors=0, turn=0.2
    )


def tasks(config: Config) -> list[Task]:
    """The control, then each family by ascending reach."""
    displaced = [Task(DISPLACED, distance, CANVAS) for distance in config.distances]
    contours = [Task(PATHFINDER, length, config.contour_canvas) for length in config.lengths]
    return [Task(CONTROL, 0, CANVAS), *displaced, *contours]
