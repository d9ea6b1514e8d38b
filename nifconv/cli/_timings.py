"""The measurements of `nifconv bench`: single layers, whole models, and tables of crossovers."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import torch
import typer
from torch import nn
from torch.utils._pytree import tree_leaves

from nifconv import frequency
from nifconv._support import forward
from nifconv.cli._output import say, table
from nifconv.functional import spectral_conv
from nifconv.models import OpenedModel
from nifconv.parameters import count_parameters
from nifconv.spectral import (
    MAPS,
    TAPS,
    Crossover,
    as_table,
    clock_for,
    crossovers,
    current_gpu,
    device_name,
    gpu_crossover,
    side_by_side,
)

# Batch, channels and side of the map, as in the four stages of a ResNet on images of 224 pixels.
CASES = ((32, 64, 56), (32, 128, 28), (32, 256, 14), (32, 512, 7))


def time_models(sources: Sequence[OpenedModel], x: torch.Tensor, repeats: int, device: torch.device) -> None:
    """All models side by side in one run, so that the ratios can be trusted on a machine that does other things too."""
    x, clock = x.to(device), clock_for(device)
    names = [f"{index}: {source.name}" for index, source in enumerate(sources, 1)]
    modules = {name: source.module.to(device) for name, source in zip(names, sources, strict=True)}
    inference = side_by_side({n: partial(forward.run, m, x) for n, m in modules.items()}, repeats, clock=clock)
    training = side_by_side({n: partial(_training_step, m, x) for n, m in modules.items()}, repeats, clock=clock)
    first = names[0]
    rows = [
        [
            name,
            f"{1e3 * inference[name].median:.2f}",
            f"{inference[name].median / inference[first].median:.2f}",
            f"{1e3 * training[name].median:.2f}",
            f"{training[name].median / training[first].median:.2f}",
            f"{forward.counted(module, x)[1] / 1e6:,.1f}",
            f"{count_parameters(module).learnable:,}",
        ]
        for name, module in modules.items()
    ]
    say(table(["model", "inference, ms", "ratio", "training step, ms", "ratio", "Mflop", "learnable parameters"], rows))


def time_layers(repeats: int, quick: bool, device: torch.device) -> None:
    """Global depthwise kernels against 7x7 ones of nn.Conv2d, forward and backward."""
    rows = []
    for batch, channels, size in CASES[-1:] if quick else CASES:
        with _own_randomness(device):
            ours, conv = _against_conv(batch, channels, size, repeats, device)
        rows.append([f"{batch} x {channels} x {size}²", f"{1e3 * ours:.2f}", f"{1e3 * conv:.2f}", f"{conv / ours:.2f}"])
    say(table(["batch x channels x map", "global kernel, ms", "7x7 of nn.Conv2d, ms", "ratio"], rows))


def write_crossovers(path: Path, repeats: int, quick: bool, device: torch.device) -> None:
    """Measures where direct sums are faster, on a GPU also where the fused kernels are, and writes a table."""
    measure = _measured_on_cpu if device_name(device) == "cpu" else _measured_on_gpu
    with _own_randomness(device):
        measure(repeats, quick, device).save(path)
    typer.echo(f"written to {path}; use it with NIFCONV_CROSSOVER={path} or nifconv.use_crossover")


def device_of(name: str | None) -> torch.device:
    """The device that an option names, by default a GPU if there is one.

    Raises:
        typer.BadParameter: there is no such device.
    """
    if name not in (None, "cpu", "cuda"):
        raise typer.BadParameter(f"{name!r} is unknown; use cpu or cuda", param_hint="--device")
    gpu = current_gpu()
    if name == "cuda" and gpu is None:
        raise typer.BadParameter("torch sees no GPU; choose cpu", param_hint="--device")
    return torch.device("cpu") if name == "cpu" or gpu is None else gpu


def _own_randomness(device: torch.device) -> AbstractContextManager[object]:
    """A context that leaves the random state as it was, for callers from Python."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _training_step(module: nn.Module, x: torch.Tensor) -> None:
    module.train()
    # Every output counts, since a model may return several: the sum stands for a loss, at almost no cost.
    outputs = [leaf for leaf in tree_leaves(module(x)) if isinstance(leaf, torch.Tensor)]
    torch.stack([leaf.sum() for leaf in outputs]).sum().backward()
    module.zero_grad()


def _against_conv(batch: int, channels: int, size: int, repeats: int, device: torch.device) -> tuple[float, float]:
    x = torch.randn(batch, channels, size, size, device=device, requires_grad=True)
    shape = (channels, 1, *frequency.half_shape((size, size)))
    spectrum = torch.randn(shape, dtype=torch.complex64, device=device, requires_grad=True)
    # (channels, 1, size, size // 2 + 1)
    conv = torch.nn.Conv2d(channels, channels, 7, padding=3, groups=channels, device=device)
    dy = torch.randn_like(x)  # instead of a loss, whose own cost would be timed
    calls = {
        "ours": lambda: torch.autograd.grad(spectral_conv(x, spectrum, groups=channels), (x, spectrum), dy),
        "conv": lambda: torch.autograd.grad(conv(x), (x, *conv.parameters()), dy),
    }
    timings = side_by_side(calls, repeats, clock=clock_for(device))
    return timings["ours"].median, timings["conv"].median


def _measured_on_cpu(repeats: int, quick: bool, _: torch.device) -> Crossover:
    rows = []
    sizes = {"batch": 1, "channels": 4, "maps": MAPS[:1], "taps": TAPS[:2]} if quick else {}
    for row in crossovers(repeats=repeats, **sizes):  # type: ignore[arg-type]
        mode, kind, pixels, limit = row
        typer.echo(f"{mode}, {kind}, map of {pixels} pixels: direct up to {limit} taps")
        rows.append(row)
    return as_table(rows, processor=platform.machine(), repeats=repeats)


def _measured_on_gpu(repeats: int, quick: bool, device: torch.device) -> Crossover:
    sizes = {"batch": 1, "channels": 4, "sizes": MAPS[:2], "maps": MAPS[:1], "taps": TAPS[:2]} if quick else {}
    return gpu_crossover(device, clock_for(device), repeats=repeats, say=typer.echo, **sizes)  # type: ignore[arg-type]
