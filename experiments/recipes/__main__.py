"""`python -m experiments.recipes` lists the recipes, `python -m experiments.recipes cost` measures what they cost."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import torch
import typer
import yaml
from rich import print as show
from rich.table import Table

from experiments.files import write_json, write_text
from experiments.recipes import cost
from experiments.recipes.catalogue import FOLDER, RECIPES, SMOKE, Recipe
from experiments.study.environment import environment, processor
from experiments.study.options import Out, Smoke, results_folder
from experiments.study.report import render

FILES = ("results.json", "REPORT.md")
_SMOKE = cost.Config(batch=2, repeats=1)
app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Lists the recipes."""
    if context.invoked_subcommand is None:
        folder = FOLDER.relative_to(FOLDER.parents[1])
        command = f"python -m experiments.train fit --config {folder}/NAME.yaml"
        table = Table("name", "what it trains", "epochs", "images", caption=command)
        for recipe in RECIPES:
            epochs = yaml.safe_load(recipe.path.read_text(encoding="utf-8"))["trainer"]["max_epochs"]
            table.add_row(recipe.name, recipe.title, str(epochs), f"{recipe.images:,}")
        show(table)


@app.command(name="cost")
def measure(
    out: Out = None,
    smoke: Smoke = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Write only the report, from results.json.")] = False,
    device: Annotated[str, typer.Option(help="Device to time steps on: cpu, cuda, ...")] = "cpu",
    batch: Annotated[int, typer.Option(min=2, help="Number of images in a step.")] = 8,
    repeats: Annotated[int, typer.Option(min=1, help="Number of timed steps.")] = 5,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Use autocast, as --trainer.precision bf16-mixed does.")
    ] = False,
) -> None:
    """Times a training step of each recipe on this machine, and reports what all its epochs would cost."""
    folder = results_folder(out, FOLDER, "recipes", FILES, smoke=smoke)
    if redraw and not (folder / "results.json").is_file():
        raise typer.BadParameter(f"{folder} has no results.json; run without --redraw", param_hint="--redraw")
    if not redraw:
        config = _SMOKE if smoke else cost.Config(batch, repeats, device, bfloat16)
        write_json(folder / "results.json", _measured(config, SMOKE if smoke else RECIPES))
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    write_text(folder / "REPORT.md", render(FOLDER / "REPORT.md.j2", data=data))


def _measured(config: cost.Config, recipes: tuple[Recipe, ...]) -> dict[str, Any]:
    """The content of results.json."""
    on_gpu = torch.device(config.device).type == "cuda"
    used = torch.cuda.get_device_name(config.device) if on_gpu else processor()
    return {
        "experiment": "recipes",
        "settings": {**asdict(config), **environment(), "processor": used},
        "recipes": [cost.measure(recipe, config) for recipe in recipes],
    }


if __name__ == "__main__":
    app()
