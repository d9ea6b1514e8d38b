"""`python -m experiments.bench.gpu` times layers and nets on the GPU that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import typer

from experiments.bench.gpu import measure, report
from experiments.bench.gpu.cases import SMOKE, Config
from experiments.files import write_json, write_text
from experiments.study.environment import environment
from experiments.study.options import Out, Smoke, results_folder
from nifconv.spectral import current_gpu, device_name, fused

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")


def main(out: Out = None, smoke: Smoke = False) -> None:
    """Times large kernels on a GPU. Without one, nothing but --smoke runs, on the CPU."""
    gpu = current_gpu()
    if gpu is None and not smoke:
        raise typer.BadParameter("torch sees no GPU; without one there is only --smoke", param_hint="--smoke")
    folder = results_folder(out, FOLDER, "bench.gpu", FILES, smoke=smoke)
    data = run(SMOKE if smoke else Config(), gpu or torch.device("cpu"))
    write_json(folder / "results.json", data)
    write_text(folder / "REPORT.md", report.to_markdown(data))


def run(config: Config, device: torch.device) -> dict[str, Any]:
    """The content of results.json."""
    bytes_per_second = measure.bandwidth(config, device)
    layers, nets = [], []
    for row in measure.layers(config, device, bytes_per_second):
        print(f"{row['case']} {row['padding']} {row['dtype']} {row['name']}: {1e3 * row['training']['median']:.3f} ms")
        layers.append(row)
    for row in measure.nets(config, device):
        print(f"{row['model']}, {row['variant']}, {row['compiler']}: {1e3 * row['training']['median']:.1f} ms")
        nets.append(row)
    settings = {
        "device": device_name(device),
        "bytes_per_second": bytes_per_second,
        "model_batch": config.model_batch,
        "model_size": config.model_size,
        "repeats": config.repeats,
        "model_repeats": config.model_repeats,
        **environment(),
    }
    # What is called fused was computed by torch.fft where a comparison failed.
    refused = [f"{verdict}: {verdict.reason}" for verdict in fused.proven.verdicts if not verdict.proven]
    return {"experiment": "bench.gpu", "layers": layers, "nets": nets, "refused": refused, "settings": settings}


if __name__ == "__main__":
    typer.run(main)
