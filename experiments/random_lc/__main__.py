"""Command line of the study: `python -m experiments.random_lc` writes its results and report beside this file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from experiments.common.results import claim_folder, write_json, write_text
from experiments.random_lc import figures, report, run, verdict

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md", "accuracy.png")
THREADS = 1


def main(
    out: Annotated[Path, typer.Option(help="Folder for results.json, REPORT.md and accuracy.png.")] = FOLDER,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run everything once, tiny; needs another --out.")] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Train nothing; use the results.json in --out.")] = False,
) -> None:
    """Trains LC nets with frozen and with learned filters on few digits and compares them."""
    if smoke and out.resolve() == FOLDER:
        raise typer.BadParameter(f"{out} holds the real results; choose another folder for --smoke", param_hint="--out")
    try:
        claim_folder(out, "random_lc", FILES)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    if redraw:
        if not (out / "results.json").is_file():
            raise typer.BadParameter(f"{out} has no results.json; run without --redraw first", param_hint="--redraw")
        data = json.loads((out / "results.json").read_text(encoding="utf-8"))
    else:
        data = measure(run.SMOKE if smoke else run.Recipe())
        write_json(out / "results.json", data)
    write_text(out / "REPORT.md", report.to_markdown(data))
    (out / "accuracy.png").write_bytes(figures.accuracy(data))


def measure(recipe: run.Recipe) -> dict[str, Any]:
    """Trains all nets and returns the content of results.json."""
    torch.set_num_threads(THREADS)
    tuning = run.tune(recipe)
    learning_rate = max(tuning, key=lambda trial: trial["accuracy"])["learning_rate"]
    rows = []
    for row in run.run_all(recipe, learning_rate):
        print(f"{row['name']}: {100 * row['mean']:.1f} %", flush=True)
        rows.append(row)
    return {
        "experiment": "random_lc",
        "settings": run.settings(recipe, learning_rate),
        "tuning": tuning,
        "rows": rows,
        **verdict.judge(rows, recipe),
    }


if __name__ == "__main__":
    typer.run(main)
