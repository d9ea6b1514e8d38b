"""Learning rates over a training; all lengths are shares of it, so that a shorter one has the same shape."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR, OneCycleLR


class Schedule(ABC):
    """What becomes of the learning rate that the optimiser is made with."""

    @abstractmethod
    def __call__(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """The scheduler, to be called after each of `steps` steps."""


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from a 25th to the optimiser's learning rate, then down to nearly nothing, both on half cosines.

    As PyTorch does it, momentum, AdamW's first beta too, goes the other way: from 0.95 to 0.85 and back.

    Args:
        rise: share of the steps that it goes up.
    """

    rise: float = 0.3

    def __post_init__(self) -> None:
        _check_share("rise", self.rise)

    def __call__(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps, pct_start=self.rise)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linearly up to the optimiser's learning rate, then down on half a cosine (Loshchilov & Hutter 2017).

    Args:
        warmup: share of the steps that it goes up, such as 5 / 300.
        floor: share of the learning rate that is left in the end.
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
    """Constant, and multiplied by a factor at given moments.

    Args:
        at: shares of the steps after which it falls, such as [0.5, 0.75]; constant throughout if there are none.
        factor: what it is multiplied by.
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
