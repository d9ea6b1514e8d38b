"""What a training costs, from the time of single steps."""

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
class Sample:
    """How a step is timed.

    Attributes:
        batch: images in a step.
        repeats: steps that count, after one that does not.
        device: cpu, cuda, ...
        bfloat16: whether autocast computes in it.
    """

    batch: int = 8
    repeats: int = 5
    device: str = "cpu"
    bfloat16: bool = False


def measure(recipe: Recipe, sample: Sample) -> dict[str, Any]:
    """Times a step of all variants of a recipe in turns."""
    torch.manual_seed(0)
    commands = {variant: recipe.prepare(variant) for variant in recipe.variants}
    data, epochs = commands[ORIGINAL].datamodule, commands[ORIGINAL].settings.trainer.max_epochs
    images = torch.randn(sample.batch, data.channels, data.size, data.size, device=sample.device)
    labels = torch.randint(data.classes, (sample.batch,), device=sample.device)
    nets = {variant: command.model.net.to(sample.device).train() for variant, command in commands.items()}
    steps = {variant: _step(net, images, labels, bfloat16=sample.bfloat16) for variant, net in nets.items()}
    timings = side_by_side(steps, sample.repeats, warmup=1)
    rows = [
        {
            "variant": variant,
            "parameters": parameters(net),
            "seconds": vars(timings[variant]),
            "images_per_second": sample.batch / timings[variant].median,
            "times_original": timings[variant].median / timings[ORIGINAL].median,
            "hours": timings[variant].median / sample.batch * recipe.images * epochs / _HOUR,
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
