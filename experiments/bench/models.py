"""Whole models: a training step and inference of a split net against the same net with small depthwise kernels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from experiments.bench.cases import Config
from experiments.bench.memory import peak_bytes
from nifconv import FrequencyConv2d, ImplicitFilter, LCConv2d, SpatialFilter, bake, convert
from nifconv.spectral import side_by_side

SPLIT = "split, global frequency filters"
SMALL = "split, depthwise nn.Conv2d"
BAKED = "baked at tolerance 1e-2 from local taps"


def rows(config: Config) -> Iterator[dict[str, Any]]:
    """One row for each model and variant, as soon as a model is measured."""
    for name in config.models:
        torch.manual_seed(0)
        original = models.get_model(name, weights=None)
        x = torch.randn(config.model_batch, 3, config.model_size, config.model_size)
        nets = variants(original)
        steps = {variant: step_call(net.train(), x) for variant, net in nets.items()}
        training = side_by_side(steps, config.model_repeats, warmup=1)
        peaks = {variant: peak_bytes(step) for variant, step in steps.items()}
        nets[BAKED] = _baked(original, x)
        inference: dict[str, dict[str, Any]] = {variant: {} for variant in nets}
        for batch in config.inference_batches:
            calls = {v: inference_call(net.eval(), x[:1].repeat(batch, 1, 1, 1)) for v, net in nets.items()}
            for variant, timing in side_by_side(calls, config.model_repeats).items():
                inference[variant][str(batch)] = vars(timing)
        for variant in nets:
            yield {
                "model": name,
                "variant": variant,
                "training": vars(training[variant]) if variant in training else None,
                "inference": inference[variant],
                "peak_bytes": peaks.get(variant),
            }


def variants(original: nn.Module) -> dict[str, nn.Module]:
    split = convert(original, to="split", filter=partial(ImplicitFilter, hidden=(8, 4))).model
    small = _with_small_kernels(split, original)
    return {SPLIT: split, SMALL: small, "original": copy.deepcopy(original)}


def _with_small_kernels(split: nn.Module, original: nn.Module) -> nn.Module:
    """The split net with 3x3 depthwise convolutions, or the original's own where those are depthwise already."""
    net = copy.deepcopy(split)
    blocks = {name for name, module in net.named_modules() if isinstance(module, LCConv2d)}
    layers = [(n, m) for n, m in net.named_modules() if isinstance(m, LCConv2d | FrequencyConv2d)]
    for name, module in layers:
        parent, _, child = name.rpartition(".")
        if isinstance(module, LCConv2d):
            c = module.in_channels
            conv = nn.Conv2d(c, c, 3, module.spatial.stride[0], 1, groups=c, bias=False)
            setattr(net.get_submodule(parent), child, nn.Sequential(conv, module.pointwise))
        elif parent not in blocks:
            setattr(net.get_submodule(parent), child, copy.deepcopy(original.get_submodule(name)))
    return net


def _baked(original: nn.Module, x: Tensor) -> nn.Module:
    """The model with local kernels in frequency layers, baked into plain convolutions."""
    local = convert(original, to="split", filter=SpatialFilter, padding_mode="zeros").model
    return bake(local.eval(), x[:1], tolerance=1e-2).model


def step_call(net: nn.Module, x: Tensor) -> Callable[[], object]:
    def call() -> None:
        net.zero_grad(set_to_none=True)
        net(x).square().mean().backward()

    return call


def inference_call(net: nn.Module, x: Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def call() -> None:
        net(x)

    return call
