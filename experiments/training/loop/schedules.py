"""Learning-rate schedules; all lengths are shares of the training, so that a shorter one has the same shape."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR, OneCycleLR


class Schedule(ABC):
    """A learning-rate schedule; the rate given to the optimiser is its maximum."""

    @abstractmethod
    def __call__(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """The scheduler, to be called after each of `steps` steps."""


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from 1/25 of the optimiser's learning rate to that rate, then down to almost zero, both as half cosines.

    As in PyTorch, momentum (or the first beta of AdamW) is varied inversely: from 0.95 to 0.85 and back.

    Args:
        rise: share of the steps in which the rate rises.
    """

    rise: float = 0.3

    def __post_init__(self) -> None:
        _check_share("rise", self.rise)

    def __call__(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps, pct_start=self.rise)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linear warm-up to the optimiser's learning rate, then half a cosine down (Loshchilov & Hutter 2017).

    Args:
        warmup: share of the steps in which the rate rises, such as 5 / 300.
        floor: final learning rate over the largest one.
    """

    warmup: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_share("warmup", self.warmup)
        _check_share("floor", self.floor)

    def __call__(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        rising = round(self.warmup * steps)

        def factor(step: int) -> float:
            if step < rising:
                return (step + 1) / rising
            fallen = (1 - math.cos(math.pi * (step - rising) / max(steps - rising, 1))) / 2
            return 1 - (1 - self.floor) * fallen

        return LambdaLR(optimizer, factor)


@dataclass(frozen=True)
class Steps(Schedule):
    """Piecewise constant: multiplied by a factor at given steps.

    Args:
        at: shares of the steps after which the rate falls, such as [0.5, 0.75]; constant throughout by default.
        factor: factor by which the rate is multiplied.
    """

    at: tuple[float, ...] = ()
    factor: float = 0.1

    def __post_init__(self) -> None:
        for share in self.at:
            _check_share("at", share)

    def __call__(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        return MultiStepLR(optimizer, sorted(round(share * steps) for share in self.at), self.factor)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name}={value} must be a share of the training in [0, 1); divide by the number of epochs")
