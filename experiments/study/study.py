"""The command line of a study: measure, write results.json, and from that alone the report and the figures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import torch
import typer

from experiments.files import read_json, write_bytes, write_json, write_text
from experiments.study.environment import environment
from experiments.study.ledger import Ledger, Result
from experiments.study.options import Out, Smoke, results_folder
from experiments.study.report import Data, Facts, no_facts, render
from experiments.study.termination import terminated_is_failed

ConfigT = TypeVar("ConfigT")
UNFINISHED = ".unfinished"
THREADS = 1
"""Nets of this size are not faster with more, and two studies can run side by side."""


@dataclass(frozen=True)
class Study(Generic[ConfigT]):
    """One question.

    Attributes:
        folder: folder `experiments/studies/<name>` of the template REPORT.md.j2 and the committed results.
        config, smoke: dataclasses of everything that the numbers depend on; `smoke` runs the same code in seconds.
        measure: makes what results.json holds besides settings and verdicts, with a ledger of finished runs.
        judge: makes the verdicts from the rows of results.json; by default there are none.
        facts: makes what the report says besides results.json, from its content.
        figures: file name to the content of the PNG.
    """

    folder: Path
    config: ConfigT
    smoke: ConfigT
    measure: Callable[[ConfigT, Ledger], Result]
    judge: Callable[[ConfigT, list[Any]], Result] | None = None
    facts: Facts = no_facts
    figures: Mapping[str, Callable[[Data], bytes]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def files(self) -> tuple[str, ...]:
        """All files that a run writes."""
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
        if smoke and self.holds(folder, self.config):
            raise typer.BadParameter(
                f"{folder} holds real results; choose another folder for --smoke", param_hint="--out"
            )
        if redraw and not (folder / "results.json").is_file():
            raise typer.BadParameter(f"{folder} has no results.json; run without --redraw", param_hint="--redraw")
        if redraw:
            self.draw(folder)
        else:
            self.run(folder, self.smoke if smoke else self.config)

    def run(self, folder: Path, config: ConfigT) -> None:
        """Measures what is missing, writes results.json and draws it."""
        torch.set_num_threads(THREADS)
        settings = {**dataclasses.asdict(config), **environment()}  # type: ignore[call-overload]
        ledger = Ledger(folder / UNFINISHED, settings)
        measured = self.measure(config, ledger)
        judged = self.judge(config, measured["rows"]) if self.judge else {}
        write_json(
            folder / "results.json",
            {"experiment": self.name, "settings": settings, "seconds": ledger.seconds, **measured, **judged},
        )
        self.draw(folder)
        ledger.close()  # not earlier: the same command must be able to go on if the report could not be written

    def holds(self, folder: Path, config: ConfigT) -> bool:
        """Whether the results in a folder are those of a configuration."""
        data = read_json(folder / "results.json") or {}
        expected = json.loads(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]
        return data.get("settings", {}).items() >= expected.items()

    def draw(self, folder: Path) -> None:
        """Writes figures and, last, the report from results.json."""
        data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        for name, figure in self.figures.items():
            write_bytes(folder / name, figure(data))
        write_text(folder / "REPORT.md", self.report(data))

    def report(self, data: Data) -> str:
        """The content of REPORT.md."""
        return render(self.folder / "REPORT.md.j2", data=data, **self.facts(data))
