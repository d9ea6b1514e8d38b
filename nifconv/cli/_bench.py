"""`nifconv bench`: what a large kernel or a model costs on this machine, and where a direct sum is faster."""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nifconv.cli._model import (
    ChannelsOption,
    ClassesOption,
    InputOption,
    PretrainedOption,
    TrustOption,
    WeightsOption,
    described,
    noise,
    opened,
)
from nifconv.cli._options import parse_pixels
from nifconv.cli._output import check_writable, say, table, working
from nifconv.cli._words import errors_in_options

if TYPE_CHECKING:
    from nifconv.models import OpenedModel

# Batch, channels and side of the map, as in the four stages of a ResNet on images of 224 pixels.
CASES = ((32, 64, 56), (32, 128, 28), (32, 256, 14), (32, 512, 7))


def bench(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A model, as for inspect (default: single layers).")
    ] = None,
    compare: Annotated[list[str] | None, typer.Option(help="Another model; repeatable.")] = None,
    input_size: InputOption = "224",
    channels: ChannelsOption = 3,
    batch: Annotated[int, typer.Option(min=1, help="Size of a batch, for MODEL.")] = 1,
    weights: WeightsOption = None,
    pretrained: PretrainedOption = False,
    num_classes: ClassesOption = None,
    trust: TrustOption = False,
    crossover: Annotated[
        Path | None, typer.Option(help="File for a table of where direct sums are faster, measured here.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number of rounds of each comparison.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Run only the smallest sizes, to try the command.")] = False,
) -> None:
    """Times a model, or global depthwise kernels against nn.Conv2d; or measures a table of crossovers."""
    check_writable("--crossover", crossover)
    size = parse_pixels("--input-size", input_size)
    if model is None and (compare or weights or pretrained or num_classes):
        raise typer.BadParameter(
            "--compare, --weights, --pretrained and --num-classes need a MODEL", param_hint="MODEL"
        )
    if model is not None and crossover is not None:
        raise typer.BadParameter("it measures single layers; leave out MODEL", param_hint="--crossover")
    if crossover is not None:
        _write_crossovers(crossover, repeats, quick)
    elif model is None:
        _time_layers(repeats, quick)
    else:
        sources = [opened(model, weights, pretrained, num_classes, channels, trust)]
        sources += [opened(other, None, False, None, channels, trust) for other in compare or []]
        _time_models(sources, batch, channels, size, repeats)


def _time_models(sources: list[OpenedModel], batch: int, channels: int, size: tuple[int, ...], repeats: int) -> None:
    """All models side by side in one run, so that the ratios can be trusted on a machine that does other things too."""
    import torch
    from torch.utils._pytree import tree_leaves

    from nifconv._support import forward
    from nifconv.parameters import count_parameters
    from nifconv.spectral import side_by_side

    x = noise(batch, channels, size)

    def training_step(module: torch.nn.Module) -> None:
        module.train()
        outputs = [leaf for leaf in tree_leaves(module(x)) if isinstance(leaf, torch.Tensor)]
        sum(leaf.sum() for leaf in outputs).backward()  # type: ignore[union-attr]
        module.zero_grad()

    with errors_in_options("MODEL"), working("timing"):
        names = [f"{index}: {source.name}" for index, source in enumerate(sources, 1)]
        modules = dict(zip(names, (source.module for source in sources), strict=True))
        inference = side_by_side({n: partial(forward.run, m, x) for n, m in modules.items()}, repeats)
        training = side_by_side({n: partial(training_step, m) for n, m in modules.items()}, repeats)
        flops = {name: forward.counted(module, x)[1] for name, module in modules.items()}
    first = names[0]
    rows = [
        [
            name,
            f"{1e3 * inference[name].median:.2f}",
            f"{inference[name].median / inference[first].median:.2f}",
            f"{1e3 * training[name].median:.2f}",
            f"{training[name].median / training[first].median:.2f}",
            f"{flops[name] / 1e6:,.1f}",
            f"{count_parameters(modules[name]).learnable:,}",
        ]
        for name in names
    ]
    for source in sources:
        say(described(source))
    say(table(["model", "inference, ms", "ratio", "training step, ms", "ratio", "Mflop", "learnable parameters"], rows))


def _time_layers(repeats: int, quick: bool) -> None:
    rows = []
    for batch, channels, size in CASES[-1:] if quick else CASES:
        ours, conv = _against_conv(batch, channels, size, repeats)
        rows.append([f"{batch} x {channels} x {size}²", f"{1e3 * ours:.2f}", f"{1e3 * conv:.2f}", f"{conv / ours:.2f}"])
    say(table(["batch x channels x map", "global kernel, ms", "7x7 of nn.Conv2d, ms", "ratio"], rows))


def _against_conv(batch: int, channels: int, size: int, repeats: int) -> tuple[float, float]:
    import torch

    from nifconv import frequency
    from nifconv.functional import spectral_conv
    from nifconv.spectral import side_by_side

    x = torch.randn(batch, channels, size, size, requires_grad=True)
    shape = (channels, 1, *frequency.half_shape((size, size)))
    spectrum = torch.randn(shape, dtype=torch.complex64, requires_grad=True)  # (channels, 1, size, size // 2 + 1)
    conv = torch.nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
    dy = torch.randn_like(x)  # instead of a loss, whose own cost would be timed
    calls = {
        "ours": lambda: torch.autograd.grad(spectral_conv(x, spectrum, groups=channels), (x, spectrum), dy),
        "conv": lambda: torch.autograd.grad(conv(x), (x, *conv.parameters()), dy),
    }
    timings = side_by_side(calls, repeats)
    return timings["ours"].median, timings["conv"].median


def _write_crossovers(path: Path, repeats: int, quick: bool) -> None:
    from nifconv.spectral import MAPS, TAPS, as_table, crossovers

    rows = []
    sizes = {"batch": 1, "channels": 4, "maps": MAPS[:1], "taps": TAPS[:2]} if quick else {}
    for row in crossovers(repeats=repeats, **sizes):  # type: ignore[arg-type]
        mode, kind, pixels, limit = row
        typer.echo(f"{mode}, {kind}, map of {pixels} pixels: direct up to {limit} taps")
        rows.append(row)
    as_table(rows, processor=platform.machine(), repeats=repeats).save(path)
    typer.echo(f"written to {path}; use it with NIFCONV_CROSSOVER={path} or nifconv.use_crossover")
