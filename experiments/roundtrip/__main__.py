"""Command line of the round trip: `python -m experiments.roundtrip` writes results.json and REPORT.md beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.common.results import claim_folder, environment, write_json, write_text
from experiments.roundtrip import report, run

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md")


def main(
    out: Annotated[Path, typer.Option(help="Folder for results.json and REPORT.md.")] = FOLDER,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run everything once, tiny; needs another --out.")] = False,
) -> None:
    """Trains a plain net, converts it with its function kept, fine-tunes, bakes and exports it."""
    if smoke and out.resolve() == FOLDER:
        raise typer.BadParameter(f"{out} holds the real results; choose another folder for --smoke", param_hint="--out")
    try:
        claim_folder(out, "roundtrip", FILES)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    recipe = run.SMOKE if smoke else run.Recipe()
    data = {
        "experiment": "roundtrip",
        "command": "python -m experiments.roundtrip",
        "settings": run.settings(recipe),
        "environment": environment(),
        "rows": run.run_all(recipe),
        "fit": run.fit_network(recipe),
    }
    write_json(out / "results.json", data)
    write_text(out / "REPORT.md", report.to_markdown(data))


if __name__ == "__main__":
    typer.run(main)
