"""Batches whose images are mixed with one another, and their labels with them."""

from __future__ import annotations

from dataclasses import dataclass

from torchvision.transforms import v2


@dataclass(frozen=True)
class Mixing:
    """MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019), as often one as the other if both are given.

    Args:
        mixup: alpha of MixUp's Beta distribution; 0 for none.
        cutmix: alpha of CutMix's; 0 for none.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if min(self.mixup, self.cutmix) < 0 or self.mixup == self.cutmix == 0:
            raise ValueError(
                f"mixup={self.mixup} and cutmix={self.cutmix} must be at least 0, and one of them above; leave out "
                "`mixing` to mix nothing"
            )

    def transform(self, classes: int) -> v2.Transform:
        """Takes images and labels `(n,)`; returns images and probabilities `(n, classes)`."""
        kinds: list[v2.Transform] = []
        if self.mixup:
            kinds.append(v2.MixUp(alpha=self.mixup, num_classes=classes))
        if self.cutmix:
            kinds.append(v2.CutMix(alpha=self.cutmix, num_classes=classes))
        return v2.RandomChoice(kinds)
