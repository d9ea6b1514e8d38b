"""How local are the published filters before any training, and what does a survey of a large model cost?"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.models.resnet import Bottleneck

from experiments.footprint.published import HIDDEN, LABELS, TRAINED, kernels, labelled_mass
from experiments.study.environment import environment
from nifconv import convert, footprint, niff_big, niff_small
from nifconv.filters import FilterFactory
from nifconv.footprint import Survey

FILTERS: Mapping[str, FilterFactory] = {"niff_big": niff_big, "niff_small": niff_small}
LABEL = 9
PUBLISHED = {56: 0.43, 28: 0.53, 14: 0.72}
"""What earlier measurements of untrained filters gave at label 9, by map."""


@dataclass(frozen=True)
class Recipe:
    """What is run.

    Attributes:
        seed: of all draws.
        layers: untrained layers of the published filter that are averaged at each map size.
        input_size: of the models, in pixels.
        blocks: in each stage of the ResNet, by default those of ResNet-50.
        maps: sizes at which the published filter is evaluated, and its channels there.
        null: re-initialised copies of ConvNeXt in its survey.
    """

    seed: int = 0
    layers: int = 12
    input_size: int = 224
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    maps: tuple[tuple[int, int], ...] = ((56, 64), (28, 256), (14, 512))
    null: int = 5


SMOKE = Recipe(layers=2, input_size=64, blocks=(1, 1, 1, 1), maps=((28, 8), (14, 8)), null=1)
"""The same code path in seconds."""


def published_rows(recipe: Recipe) -> list[dict[str, Any]]:
    """The published filter with the published initialisation: their window, and the exact ones beside it."""
    torch.manual_seed(recipe.seed)
    rows = []
    for name, hidden in HIDDEN.items():
        for size, channels in recipe.maps:
            draws = [kernels(hidden, channels, size) for _ in range(recipe.layers)]
            by_label = {
                str(label): _mean([labelled_mass(taps, label).mean().item() for taps in draws]) for label in LABELS
            }
            rows.append({"filter": name, "map": size, "channels": channels, **_masses(draws), "by_label": by_label})
    return rows


def resnet_rows(recipe: Recipe) -> tuple[list[dict[str, Any]], dict[str, Survey]]:
    """ResNet-50, converted and untrained, at the sizes its layers run at, by filter and map."""
    rows, surveys = [], {}
    x = torch.zeros(1, 3, recipe.input_size, recipe.input_size)
    for name, factory in FILTERS.items():
        torch.manual_seed(recipe.seed)
        net = convert(models.ResNet(Bottleneck, list(recipe.blocks)), filter=factory).model
        start = time.perf_counter()
        found = footprint.survey(net, x)
        found.to_dict()
        seconds = time.perf_counter() - start
        surveys[name] = found
        by_map: dict[int, list[footprint.LayerFootprint]] = {}
        for layer in found.layers:
            if layer.periodic:
                by_map.setdefault(layer.map_size[0], []).append(layer)
        for size, layers in by_map.items():
            sizes = torch.cat([layer.values("size90") for layer in layers])
            row = {"filter": name, "map": size, "layers": len(layers), **_masses([layer.taps for layer in layers])}
            rows.append({**row, "size90": sizes.median().item(), "seconds_of_survey": seconds})
    return rows, surveys


def convnext(recipe: Recipe, page: Path) -> dict[str, Any]:
    """A converted ConvNeXt-T: seconds to survey it with its null distribution, and to write its page."""

    def build() -> nn.Module:
        return convert(models.convnext_tiny(), filter=niff_big).model

    torch.manual_seed(recipe.seed)
    net = build()
    start = time.perf_counter()
    x = torch.zeros(1, 3, recipe.input_size, recipe.input_size)
    found = footprint.survey(net, x, null=recipe.null, seed=recipe.seed, fresh=build)
    surveyed = time.perf_counter()
    found.to_html(page, title="ConvNeXt-T, converted with niff_big, untrained")
    written = time.perf_counter()
    return {
        "layers": len(found.layers),
        "kernels": sum(layer.kernels for layer in found.layers),
        "seconds_of_survey": surveyed - start,
        "seconds_of_page": written - surveyed,
        "megabytes": page.stat().st_size / 1e6,
    }


def run_all(recipe: Recipe, page: Path) -> tuple[dict[str, Any], dict[str, Survey]]:
    """The content of results.json, and the surveys of the two ResNets."""
    resnets, surveys = resnet_rows(recipe)
    data = {
        "experiment": "footprint",
        "published": published_rows(recipe),
        "trained": {str(stage): dict(zip(("map", "by_label"), given, strict=True)) for stage, given in TRAINED.items()},
        "resnet50": resnets,
        "convnext_tiny": convnext(recipe, page),
        "settings": {**asdict(recipe), "label": LABEL, "expected": PUBLISHED, **environment()},
    }
    return data, surveys


def _masses(draws: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Means over all kernels: in the published window, and within exact windows; NaN where the map is too small."""
    size = draws[0].shape[-1]
    labelled = [labelled_mass(taps, LABEL).mean().item() if size >= LABEL - 1 else math.nan for taps in draws]
    exact = {side: [_exact(taps, side) for taps in draws] for side in (7, LABEL)}
    return {
        "label_9": _mean(labelled),
        "label_9_std_of_layers": None if size < LABEL - 1 or len(draws) < 2 else statistics.stdev(labelled),
        **{f"exact_{side}": _mean(values) for side, values in exact.items()},
        "on_cross": _mean([footprint.cross_share(taps).nanmean().item() for taps in draws]),
        "sign_alternation": _mean([footprint.sign_alternation(taps).nanmean().item() for taps in draws]),
    }


def _exact(taps: torch.Tensor, side: int) -> float:
    ratio = footprint.mass_ratio(taps)
    return ratio[..., min(side // 2, ratio.shape[-1] - 1)].mean().item()


def _mean(values: Sequence[float]) -> float | None:
    mean = statistics.fmean(values)
    return None if mean != mean else mean
