"""`nifconv doctor`: what runs on this machine, and why."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from nifconv.spectral import Crossover


def doctor() -> None:
    """Says which engine computes frequency convolutions here, with what, and what `method="auto"` goes by."""
    import torch

    from nifconv.spectral import active_crossover

    lines = {
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads",
        "processor": f"{platform.machine()}, torch uses {torch.backends.cpu.get_cpu_capability()}",
        "native engine": _native(),
        "fused kernels": _fused(),
        'method="auto"': _crossover(active_crossover()),
    }
    width = max(map(len, lines))
    for name, text in lines.items():
        typer.echo(f"{name:<{width}}  {text}")


def _native() -> str:
    from nifconv.spectral import native

    engine = native.engine()
    if engine is None:
        return f"none; torch.fft computes everything: {native.absence()}"
    threads = "torch's threads" if engine.threaded else "one thread, since this torch does not export its own"
    return f"{engine.instruction_set} (of {', '.join(engine.instruction_sets)}), {threads}"


def _fused() -> str:
    import torch

    from nifconv.spectral import fused

    if not torch.cuda.is_available():
        return "none: there is no GPU"
    verdicts = fused.verdicts()  # of this process only; the command itself runs no convolution
    proven = (
        f"{len(verdicts)} shapes compared with torch.fft so far"
        if verdicts
        else "compared with torch.fft when first used"
    )
    return f'{torch.cuda.get_device_name()}; used only with method="fused"; {proven}'


def _crossover(table: Crossover) -> str:
    import torch

    origin = dict(table.origin)
    source = os.environ.get("NIFCONV_CROSSOVER", "the table of this release")
    measured = ", ".join(f"{name} {value}" for name, value in origin.items())
    # Releases of torch differ in their FFT and their direct sums, and both depend on the number of threads.
    fits = origin.get("torch") == torch.__version__ and origin.get("threads") == torch.get_num_threads()
    advice = "" if fits else "; measured elsewhere: `nifconv bench --crossover FILE` measures this machine"
    return f"{source} ({measured}){advice}"
