"""The cost of a training, from the time of single steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from experiments.nets.separable import parameters
from experiments.recipes.catalogue import ORIGINAL, Recipe
from nifconv.spectral import side_by_side

_HOUR = 3600


@dataclass(frozen=True)
class Config:
    """How a step is timed.

    Attributes:
        batch: number of images in a step.
        repeats: number of timed steps, after one for warm-up.
        device: cpu, cuda, ...
        bfloat16: whether to compute in bfloat16 with autocast.
    """

    batch: int = 8
    repeats: int = 5
    device: str = "cpu"
    bfloat16: bool = False


def measure(recipe: Recipe, config: Config) -> dict[str, Any]:
    """Times steps of all variants of a recipe in turn."""
    torch.manual_seed(0)
    commands = {variant: recipe.prepare(variant) for variant in recipe.variants}
    data, epochs = commands[ORIGINAL].datamodule, commands[ORIGINAL].given.trainer.max_epochs
    images = torch.randn(config.batch, data.channels, data.size, data.size, device=config.device)
    labels = torch.randint(data.classes, (config.batch,), device=config.device)
    nets = {variant: command.model.net.to(config.device).train() for variant, command in commands.items()}
    steps = {variant: _step(net, images, labels, bfloat16=config.bfloat16) for variant, net in nets.items()}
    timings = side_by_side(steps, config.repeats, warmup=1)
    rows = [
        {
            "variant": variant,
            "parameters": parameters(net),
            "seconds": vars(timings[variant]),
            "images_per_second": config.batch / timings[variant].median,
            "times_original": timings[variant].median / timings[ORIGINAL].median,
            "hours": timings[variant].median / config.batch * recipe.images * epochs / _HOUR,
        }
        for variant, net in nets.items()
    ]
    return {
        "name": recipe.name,
        "title": recipe.title,
        "images": recipe.images,
        "epochs": epochs,
        "size": data.size,
        "rows": rows,
    }


def _step(net: nn.Module, images: Tensor, labels: Tensor, *, bfloat16: bool) -> Callable[[], object]:
    """Forward, loss and backward; the optimiser steps once for a whole batch of the recipe, which is much larger."""

    def call() -> None:
        net.zero_grad(set_to_none=True)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
            loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()

    return call
