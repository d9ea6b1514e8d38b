"""The recipes: configuration files of `experiments.train`, their variants and the size of their data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments.train import Command
from experiments.training.loop.quiet import expected_warnings

FOLDER = Path(__file__).resolve().parent
ORIGINAL = "original"
_FROZEN_FREQUENCY = '{"frozen": {"filter": {"ImplicitFilter": {}}, "seed": 0}}'
_UNCONVERTED: Mapping[str, tuple[str, ...]] = {"recipe": (), ORIGINAL: ("--net.conversion=null",)}


@dataclass(frozen=True)
class Recipe:
    """One configuration file.

    Attributes:
        name: name of the file.
        title: network and data.
        images: number of images in an epoch.
        variants: options of each variant, by name; `ORIGINAL` is the net without our layers.
    """

    name: str
    title: str
    images: int
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _UNCONVERTED)

    @property
    def path(self) -> Path:
        """The configuration file."""
        return FOLDER / f"{self.name}.yaml"

    def prepare(self, variant: str) -> Command:
        """Network, data module and trainer, without training."""
        with expected_warnings():
            return Command(["--config", str(self.path), *self.variants[variant]], run=False)


RECIPES = (
    Recipe(
        "cifar10",
        "ResNet-LC-20-16x8, frozen 3x3 filters; CIFAR-10",
        50_000,
        {
            "frozen 3x3, E = 8": (),
            "learned 3x3, E = 8": ("--net.arguments.filter=spatial",),
            "frozen 3x3, E = 128": ("--net.arguments.expansion=128",),
            "frozen frequency filters, E = 8": (
                "--net.arguments.kernel_size=null",
                f"--net.arguments.filter={_FROZEN_FREQUENCY}",
            ),
            ORIGINAL: ("--net.arguments.expansion=null",),
        },
    ),
    Recipe("imagenet100", "ConvNeXt-T, frequency filters; 100 classes of ImageNet", 126_689),
    Recipe("imagenet1k_convnext", "ConvNeXt-T, frequency filters; ImageNet-1k", 1_281_167),
    Recipe("imagenet1k_rsb_a2", "ResNet-50, split, frequency filters; ImageNet-1k", 1_281_167),
)
SMOKE = (replace(RECIPES[0], variants={"frozen 3x3, E = 8": (), ORIGINAL: RECIPES[0].variants[ORIGINAL]}),)
"""A small selection to check how cost is measured."""
