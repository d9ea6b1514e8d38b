"""Command line of the survey: `python -m experiments.footprint` writes results.json, REPORT.md, a figure and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.common.results import claim_folder, write_json, write_text
from experiments.footprint import report, run
from nifconv.footprint import compare

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md", "mass.png", "convnext_tiny.html")


def main(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run everything once, tiny; needs another --out.")] = False,
) -> None:
    """Surveys untrained ResNet-50s and a ConvNeXt-T with the published filters."""
    if smoke and out.resolve() == FOLDER:
        raise typer.BadParameter(f"{out} holds the real results; choose another folder for --smoke", param_hint="--out")
    try:
        claim_folder(out, "footprint", FILES)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    data, surveys = run.run_all(run.SMOKE if smoke else run.Recipe(), out / "convnext_tiny.html")
    write_json(out / "results.json", data)
    write_text(out / "REPORT.md", report.to_markdown(data))
    compare(surveys).plot("mass").savefig(out / "mass.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    typer.run(main)
