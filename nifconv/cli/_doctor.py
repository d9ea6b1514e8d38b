"""`nifconv doctor`: what runs on this machine, and why."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterable, Iterator

import torch
import typer

from nifconv.spectral import Crossover, active_crossover, current_gpu, device_name, fused, native

_SIZES = (7, 14, 28, 56, 112)
_BATCH, _CHANNELS = 8, 32


def doctor() -> None:
    """Shows which engine computes frequency convolutions on this machine and which table `method="auto"` reads."""
    gpu = current_gpu()
    lines = [
        ("torch", f"{torch.__version__}, {torch.get_num_threads()} threads"),
        ("processor", f"{platform.machine()}, torch uses {torch.backends.cpu.get_cpu_capability()}"),
        ("native engine", _native()),
        *(("fused kernels", line) for line in _fused(gpu)),
        ('method="auto"', _crossover(active_crossover(torch.device("cpu")))),
    ]
    if gpu is not None:
        lines.append(('"auto" on the GPU', _crossover(active_crossover(gpu))))
    width, before = max(len(name) for name, _ in lines), ""
    for name, text in lines:
        typer.echo(f"{'' if name == before else name:<{width}}  {text}")
        before = name


def _native() -> str:
    engine = native.engine()
    if engine is None:
        return f"none; torch.fft computes everything: {native.absence()}"
    threads = "torch's threads" if engine.threaded else "one thread, since this torch does not export its own"
    return f"{engine.instruction_set} (of {', '.join(engine.instruction_sets)}), {threads}"


def _fused(gpu: torch.device | None) -> Iterator[str]:
    """The results of comparisons made now; those that decide are made by each process at first use."""
    if gpu is None or fused.absence():
        yield f"none; torch.fft computes everything on GPUs: {fused.absence()}"
        return
    yield f"{device_name(gpu)}; compared with torch.fft just now, as they will be at first use of each shape"
    shapes = [(_BATCH, _CHANNELS, size, size) for size in _SIZES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a refusal warns, and is listed here anyway
        yield from _verdicts(fused.examine(fused.proven, shapes, gpu))


def _verdicts(verdicts: Iterable[fused.Verdict]) -> Iterator[str]:
    """One line for each dtype and direction, and one for each refusal."""
    found: dict[str, list[fused.Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(f"{str(verdict.dtype).removeprefix('torch.')}, {verdict.direction}", []).append(verdict)
    for name, group in found.items():
        right = ", ".join(str(verdict.size[0]) for verdict in group if verdict.proven)
        yield f"{name}: " + (f"right at {right} px" if right else "right at no size")
        for verdict in group:
            if not verdict.proven:
                yield f"  {verdict.size[0]} px is computed by torch.fft: {verdict.reason}"


def _crossover(table: Crossover | None) -> str:
    if table is None:
        return "torch.fft, since nothing was measured there: `nifconv bench --crossover FILE` measures it"
    origin = dict(table.origin)
    path = os.environ.get("NIFCONV_CROSSOVER")
    source = path if path and Crossover.load(path).device == table.device else "the table of this release"
    measured = ", ".join(f"{name} {value}" for name, value in origin.items())
    # Releases of torch differ in their FFT and their direct sums; on a CPU both depend on the number of threads.
    fits = origin.get("torch") == torch.__version__
    if table.device == "cpu":
        fits = fits and origin.get("threads") == torch.get_num_threads()
    advice = "" if fits else "; measured elsewhere: `nifconv bench --crossover FILE` measures this machine"
    return f"{source} ({measured}){advice}"
