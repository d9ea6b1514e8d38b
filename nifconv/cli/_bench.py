"""`nifconv bench`: what a large kernel costs on this machine, and where a direct sum is faster."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import torch
import typer

from nifconv import frequency
from nifconv.functional import spectral_conv
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


def bench(
    crossover: Annotated[
        Path | None, typer.Option(help="File for a table of where direct sums are faster, measured here.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number of rounds of each comparison.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Run only the smallest sizes, to try the command.")] = False,
    device: Annotated[str | None, typer.Option(help="Where to measure: cpu or cuda; the GPU if there is one.")] = None,
) -> None:
    """Times global depthwise kernels against 7x7 ones of nn.Conv2d, forward and backward, or measures crossovers.

    On a GPU the table also says where the fused kernels are faster than torch.fft.
    """
    place = _device(device)
    # For a caller from Python, whose random numbers go on as they were.
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        if crossover is None:
            _print_comparison(repeats, quick, place)
        else:
            _write_crossovers(crossover, repeats, quick, place)


def _print_comparison(repeats: int, quick: bool, place: torch.device) -> None:
    typer.echo("batch x channels x map   global kernel, ms   7x7 of nn.Conv2d, ms   ratio")
    for batch, channels, size in CASES[-1:] if quick else CASES:
        ours, conv = _against_conv(batch, channels, size, repeats, place)
        typer.echo(
            f"{batch:5} x {channels:3} x {size:3}²   {1000 * ours:17.2f}   {1000 * conv:20.2f}   {conv / ours:5.2f}"
        )


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


def _write_crossovers(path: Path, repeats: int, quick: bool, device: torch.device) -> None:
    if not path.parent.is_dir():
        raise typer.BadParameter(f"{path.parent} is not a folder; create it first", param_hint="--crossover")
    measure = _measured_on_cpu if device_name(device) == "cpu" else _measured_on_gpu
    measure(repeats, quick, device).save(path)
    typer.echo(f"written to {path}; use it with NIFCONV_CROSSOVER={path} or nifconv.use_crossover")


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


def _device(name: str | None) -> torch.device:
    if name not in (None, "cpu", "cuda"):
        raise typer.BadParameter(f"{name!r} is none of: cpu, cuda", param_hint="--device")
    gpu = current_gpu()
    if name == "cuda" and gpu is None:
        raise typer.BadParameter("torch sees no GPU; choose cpu", param_hint="--device")
    return torch.device("cpu") if name == "cpu" or gpu is None else gpu
