"""Command line of the survey: `python -m experiments.footprint` writes results.json, REPORT.md, a figure and a page."""

from __future__ import annotations

from pathlib import Path

import typer

from experiments.files import write_json, write_text
from experiments.footprint import report, run
from experiments.study.options import Out, Smoke, results_folder
from nifconv.footprint import compare

FOLDER = Path(__file__).resolve().parent
FILES = ("results.json", "REPORT.md", "mass.png", "convnext_tiny.html")


def main(
    out: Out = None,
    smoke: Smoke = False,
) -> None:
    """Surveys untrained ResNet-50s and a ConvNeXt-T with the published filters."""
    folder = results_folder(out, FOLDER, "footprint", FILES, smoke=smoke)
    data, surveys = run.run_all(run.SMOKE if smoke else run.Recipe(), folder / "convnext_tiny.html")
    write_json(folder / "results.json", data)
    write_text(folder / "REPORT.md", report.to_markdown(data))
    compare(surveys).plot("mass").savefig(folder / "mass.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    typer.run(main)
