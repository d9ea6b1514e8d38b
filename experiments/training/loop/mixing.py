"""Batches whose images and labels are mixed with one another."""

from __future__ import annotations

from dataclasses import dataclass

from torchvision.transforms import v2


@dataclass(frozen=True)
class Mixing:
    """MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019), each with probability 1/2 if both are given.

    Args:
        mixup: alpha of the Beta distribution of MixUp; 0 disables it.
        cutmix: alpha of the Beta distribution of CutMix; 0 disables it.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if min(self.mixup, self.cutmix) < 0 or self.mixup == self.cutmix == 0:
            raise ValueError(
                f"mixup={self.mixup} and cutmix={self.cutmix} must be at least 0, and one of them positive; leave "
                "out `mixing` to mix nothing"
            )

    def transform(self, classes: int) -> v2.Transform:
        """Takes images and labels `(n,)`; returns images and probabilities `(n, classes)`."""
        kinds: list[v2.Transform] = []
        if self.mixup:
            kinds.append(v2.MixUp(alpha=self.mixup, num_classes=classes))
        if self.cutmix:
            kinds.append(v2.CutMix(alpha=self.cutmix, num_classes=classes))
        return v2.RandomChoice(kinds)
