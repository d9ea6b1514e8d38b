"""Command line of the study: `python -m experiments.defaults` writes results.json and REPORT.md beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.common.results import claim_folder, write_json, write_text
from experiments.defaults import run

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")


def main(
    out: Annotated[Path, typer.Option(help="Folder for results.json and REPORT.md.")] = FOLDER,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run everything once, tiny; needs another --out.")] = False,
) -> None:
    """Trains the quickstart's frequency net with several implicit filters and compares them."""
    if smoke and out.resolve() == FOLDER:
        raise typer.BadParameter(f"{out} holds the real results; choose another folder for --smoke", param_hint="--out")
    try:
        claim_folder(out, "defaults", FILES)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    recipe = run.SMOKE if smoke else run.Recipe()
    rows = []
    for row in run.run_all(recipe):
        print(f"{row['filter']}: {100 * row['accuracy']:.1f} %")
        rows.append(row)
    data = {"experiment": "defaults", "rows": rows, "settings": run.settings(recipe)}
    write_json(out / "results.json", data)
    write_text(out / "REPORT.md", run.to_markdown(data))


if __name__ == "__main__":
    typer.run(main)
