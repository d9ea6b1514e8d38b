"""Command line of the sweep: `python -m experiments.zoo` writes results.json and REPORT.md beside this file."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from experiments.files import write_json, write_text
from experiments.study.environment import environment
from experiments.study.options import Out, results_folder
from experiments.zoo import report
from experiments.zoo.models import entries
from experiments.zoo.run import run_one

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")
SMOKE = ("squeezenet1_1", "quantized_shufflenet_v2_x0_5", "vit_b_32", "lcnet_050")


def main(
    out: Out = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Only a few small models, as a check; needs another --out.")
    ] = False,
    model: Annotated[
        list[str] | None, typer.Option(help="Measure only this model, even if it has a row; repeatable.")
    ] = None,
) -> None:
    """Converts, matches and bakes every model. After an interruption, models that have a row are skipped."""
    chosen = [entry for entry in entries() if entry.name in (model or (SMOKE if smoke else [entry.name]))]
    if not chosen:
        raise typer.BadParameter(
            f"{model} names no model of the sweep; see entries() in experiments/zoo/models.py", param_hint="--model"
        )
    folder = results_folder(out, FOLDER, "zoo", FILES, smoke=smoke)
    rows = {} if smoke else _measured(folder / "results.json")
    for entry in track(chosen, description="models"):
        key = (entry.library, entry.name)
        if key not in rows or model:
            rows[key] = run_one(entry)
            _write(folder, [rows[e.library, e.name] for e in entries() if (e.library, e.name) in rows])


def _measured(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    if not path.is_file():
        return {}
    return {(row["library"], row["name"]): row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    data = {
        "experiment": "zoo",
        "command": "python -m experiments.zoo",
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm")},
        "environment": environment(),
        "summary": report.summarise(rows),
        "rows": rows,
    }
    write_json(out / "results.json", data)
    write_text(out / "REPORT.md", report.to_markdown(data))


if __name__ == "__main__":
    typer.run(main)
