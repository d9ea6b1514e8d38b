"""The training that studies on letters share: one plan, from images to hits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from experiments.nets.separable import PaddingMode, separable_net
from experiments.study import hits
from experiments.study.training import correct, fit
from experiments.tasks.batches import Batches
from experiments.tasks.glyphs import CHANNELS, CLASSES, SIDE, glyphs
from experiments.training.loop.classifier import Penalty

PATCH = 2
MAP = SIDE // PATCH
"""Side of the maps of the first block, in pixels."""
_SHOWN_SEED = 0


@dataclass(frozen=True)
class Letters:
    """How nets learn letters.

    Attributes:
        images: to train with, drawn for each seed.
        steps, batch_size: of training.
        validation_images, test_images: of other fonts; the same ones for all seeds.
        width, depth: of `net`.
    """

    images: int = 6400
    steps: int = 300
    batch_size: int = 64
    validation_images: int = 2000
    test_images: int = 5000
    width: int = 24
    depth: int = 4

    def net(self, kernel_size: int = 3, padding_mode: PaddingMode = "zeros", width: int | None = None) -> nn.Sequential:
        """The separable net on patches of 2x2 pixels: maps of 16 px, after the first block of 8 px."""
        return separable_net(
            width or self.width,
            kernel_size,
            classes=CLASSES,
            depth=self.depth,
            padding_mode=padding_mode,
            halve_after=(0,),
            in_channels=CHANNELS,
            patch=PATCH,
        )

    def train(self, net: nn.Module, rate: float, seed: int, *, longer: int = 1, penalty: Penalty | None = None) -> None:
        """Trains a net in place; a seed decides images and order."""
        images, labels = glyphs("train", self.images, seed)
        batches = Batches(images, labels, self.batch_size, seed)
        fit(net, batches, steps=longer * self.steps, rate=rate, penalty=penalty)

    def validated(self, net: nn.Module) -> float:
        """Accuracy on the fonts of validation."""
        return correct(net, *glyphs("validation", self.validation_images, _SHOWN_SEED)).float().mean().item()

    def tested(self, net: nn.Module) -> dict[str, Any]:
        """Hits on the test fonts."""
        return hits.pack(correct(net, *glyphs("test", self.test_images, _SHOWN_SEED)))


TINY = Letters(images=64, steps=2, batch_size=32, validation_images=26, test_images=52, width=4)
"""The same code path in a moment."""
