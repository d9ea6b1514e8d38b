"""The command line of a study: measure, write results.json, and from that alone the report and the figures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import torch
import typer

from experiments.study.ledger import Ledger
from experiments.study.options import Out, Smoke, results_folder
from experiments.study.results import environment, read_json, write_bytes, write_json, write_text
from experiments.study.termination import terminated_is_failed

RecipeT = TypeVar("RecipeT")
Data = Mapping[str, Any]
"""The content of results.json."""
UNFINISHED = ".unfinished"
THREADS = 1
"""Nets of this size are not faster with more, and two studies can run side by side."""


@dataclass(frozen=True)
class Study(Generic[RecipeT]):
    """One question.

    Attributes:
        name: of the folder `experiments/studies/<name>`.
        folder: where the committed results are.
        recipe, smoke: dataclasses of all that the numbers depend on; `smoke` runs the same code in seconds.
        measure: makes what results.json holds besides settings, through a ledger that keeps each run.
        report: the content of REPORT.md.
        figures: file name to the PNG's content.
    """

    name: str
    folder: Path
    recipe: RecipeT
    smoke: RecipeT
    measure: Callable[[RecipeT, Ledger], dict[str, Any]]
    report: Callable[[Data], str]
    figures: Mapping[str, Callable[[Data], bytes]]

    @property
    def files(self) -> tuple[str, ...]:
        """All that a run writes."""
        return ("results.json", "REPORT.md", *self.figures)

    def command(self) -> None:
        """The command line, `python -m experiments.studies.<name>`."""
        with terminated_is_failed():
            typer.run(self.main)

    def main(
        self,
        out: Out = None,
        smoke: Smoke = False,
        redraw: Annotated[bool, typer.Option("--redraw", help="Train nothing; use the results.json in --out.")] = False,
    ) -> None:
        """Runs the study, or what an interruption has left of it, and writes its report."""
        folder = results_folder(out, self.folder, self.name, self.files, smoke=smoke)
        if smoke and self.holds(folder, self.recipe):
            raise typer.BadParameter(
                f"{folder} holds real results; choose another folder for --smoke", param_hint="--out"
            )
        if redraw and not (folder / "results.json").is_file():
            raise typer.BadParameter(f"{folder} has no results.json; run without --redraw", param_hint="--redraw")
        if redraw:
            self.draw(folder)
        else:
            self.run(folder, self.smoke if smoke else self.recipe)

    def run(self, folder: Path, recipe: RecipeT) -> None:
        """Measures what is missing, writes results.json and draws it."""
        torch.set_num_threads(THREADS)
        settings = {**dataclasses.asdict(recipe), **environment()}  # type: ignore[call-overload]
        ledger = Ledger(folder / UNFINISHED, settings)
        measured = self.measure(recipe, ledger)
        write_json(
            folder / "results.json",
            {"experiment": self.name, "settings": settings, "seconds": ledger.seconds, **measured},
        )
        self.draw(folder)
        ledger.close()  # not before: the same command goes on with a report that could not be written, too

    def holds(self, folder: Path, recipe: RecipeT) -> bool:
        """Whether the results in a folder are those of a recipe."""
        data = read_json(folder / "results.json") or {}
        expected = json.loads(json.dumps(dataclasses.asdict(recipe)))  # type: ignore[call-overload]
        return data.get("settings", {}).items() >= expected.items()

    def draw(self, folder: Path) -> None:
        """Writes figures and, last, the report from results.json."""
        data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        for name, figure in self.figures.items():
            write_bytes(folder / name, figure(data))
        write_text(folder / "REPORT.md", self.report(data))
