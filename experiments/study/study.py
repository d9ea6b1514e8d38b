"""The command line of a study: measure, write results.json, and from that alone the report and the figure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import torch
import typer

from experiments.files import read_json, write_bytes, write_json, write_text
from experiments.study import verdicts
from experiments.study.environment import environment
from experiments.study.ledger import Ledger, Result
from experiments.study.options import Out, Smoke, results_folder
from experiments.study.report import Data, Facts, no_facts, render
from experiments.study.sweep import Experiment
from experiments.study.termination import terminated_is_failed
from experiments.study.verdicts import Claim

ConfigT = TypeVar("ConfigT")
UNFINISHED = ".unfinished"
THREADS = 1
"""Nets of this size are not faster with more, and two studies can run side by side."""
FAMILY = 17
"""Number of primary claims of all studies, which share one level of significance."""


@dataclass(frozen=True)
class Study(Generic[ConfigT]):
    """One question.

    Attributes:
        folder: folder `experiments/studies/<name>` of the template REPORT.md.j2 and the committed results.
        config, smoke: dataclasses of everything that the numbers depend on; `smoke` runs the same code in seconds.
        experiments: what is run.
        claims: the primary claims, by key.
        figure: makes the content of figure.png from that of results.json.
        facts: makes what the report says besides results.json, from its content.
        minutes: that a run takes on one quiet core.
    """

    folder: Path
    config: ConfigT
    smoke: ConfigT
    experiments: Callable[[ConfigT], Sequence[Experiment[Any]]]
    claims: Callable[[ConfigT], Mapping[str, Claim]]
    figure: Callable[[Data], bytes]
    facts: Facts = no_facts
    minutes: float = 1.0

    @property
    def name(self) -> str:
        return self.folder.name

    files = ("results.json", "REPORT.md", "figure.png")
    """All files that a run writes."""

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
        measured: dict[str, list[Result]] = {"tuning": [], "rows": []}
        for experiment in self.experiments(config):
            for part, found in experiment.measure(ledger).items():
                measured[part] += found
        judged = self.judge(config, measured["rows"])
        write_json(
            folder / "results.json",
            {"experiment": self.name, "settings": settings, "seconds": ledger.seconds, **judged, **measured},
        )
        self.draw(folder)
        ledger.close()  # not earlier: the same command must be able to go on if the report could not be written

    def judge(self, config: ConfigT, rows: Sequence[Result], others: Sequence[float] = ()) -> Result:
        """The verdicts that follow from the rows of results.json, beside p-values of the claims of other studies."""
        return verdicts.judge(self.claims(config), verdicts.values(rows), others, FAMILY)

    def settle(self, folder: Path, others: Sequence[float]) -> None:
        """Judges finished runs again, now that other studies are finished too; a new verdict is written and drawn."""
        data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        config = self.config if self.holds(folder, self.config) else self.smoke
        settled = {**data, **json.loads(json.dumps(self.judge(config, data["rows"], others)))}
        if settled != data:
            write_json(folder / "results.json", settled)
            self.draw(folder)

    def progress(self, folder: Path, config: ConfigT) -> float:
        """The share of the runs that are finished, from 0 to 1."""
        done = len([*(folder / UNFINISHED).glob("*.json")]) - 1  # without settings.json
        return min(1.0, max(done, 0) / sum(experiment.planned for experiment in self.experiments(config)))

    def holds(self, folder: Path, config: ConfigT) -> bool:
        """Whether the results in a folder are those of a configuration."""
        data = read_json(folder / "results.json") or {}
        expected = json.loads(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]
        return data.get("settings", {}).items() >= expected.items()

    def draw(self, folder: Path) -> None:
        """Writes the figure and, last, the report from results.json."""
        data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        write_bytes(folder / "figure.png", self.figure(data))
        write_text(folder / "REPORT.md", self.report(data))

    def report(self, data: Data) -> str:
        """The content of REPORT.md."""
        return render(self.folder / "REPORT.md.j2", data=data, **self.facts(data))
