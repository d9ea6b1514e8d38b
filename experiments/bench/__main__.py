"""Command line of the benchmark: `python -m experiments.bench` writes results.json and REPORT.md beside this file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import typer

from experiments.bench import dense, layers, models, report
from experiments.bench.cases import SMOKE, Config
from experiments.bench.memory import kept_memory
from experiments.bench.peers import OURS
from experiments.files import write_json, write_text
from experiments.study.environment import environment, processor
from experiments.study.options import Out, Smoke, results_folder

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")


def main(out: Out = None, smoke: Smoke = False) -> None:
    """Times large kernels against other formulations, side by side, and checks them against float64."""
    folder = results_folder(out, FOLDER, "bench", FILES, smoke=smoke)
    data = measure(SMOKE if smoke else Config())
    write_json(folder / "results.json", data)
    write_text(folder / "REPORT.md", report.to_markdown(data))


def measure(config: Config) -> dict[str, Any]:
    """The content of results.json."""
    given_back = list(layers.given_back(config))
    with kept_memory() as kept:
        return {**_measure(config), "given_back": given_back, "memory_is_kept": kept}


def _measure(config: Config) -> dict[str, Any]:
    rows = []
    for row in layers.rows(config):
        print(f"{row['case']} {row['name']}: {row['times_ours']['training']:.2f} x ours")
        rows.append(row)
    sums = []
    for row in dense.rows(config):
        print(f"{row['case']} {row['name']}: {row['ratio']:.2f}")
        sums.append(row)
    ours = {row["case"]: row["training"]["median"] for row in rows if row["name"] == OURS}
    roofline = [
        {
            "case": case.name,
            "parts": layers.roofline(case, config.repeats),
            "training": ours[case.name],
            "flops_in_cache": layers.rate_in_cache(case, config.repeats),
            "operations": layers.operations(case),
        }
        for case in config.cases
    ]
    whole = []
    for row in models.rows(config):
        seconds = ", ".join(f"{timing['median']:.2f} s for {batch}" for batch, timing in row["inference"].items())
        print(f"{row['model']}, {row['variant']}: inference {seconds}")
        whole.append(row)
    settings = {**dataclasses.asdict(config), **environment(), "processor": processor()}
    return {
        "experiment": "bench",
        "layers": rows,
        "dense": sums,
        "roofline": roofline,
        "flatness": layers.flatness(config),
        "growth": layers.growth(config),
        "models": whole,
        "settings": settings,
    }


if __name__ == "__main__":
    typer.run(main)
