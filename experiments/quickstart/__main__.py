"""Command line of the quickstart: `python -m experiments.quickstart --help`."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

DEFAULT_FOLDER = Path("quickstart-results")
FILES = (
    "results.json",
    "report.html",
    "examples.png",
    "accuracy.png",
    "kernels.png",
    "mass.png",
    "control.png",
    "overview.png",
)


def main(
    out: Annotated[Path, typer.Option(help="Folder for results.json, the figures and report.html.")] = DEFAULT_FOLDER,
    seed: Annotated[int, typer.Option(help="Of the canvases and the initial weights.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training canvases.")] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Run everything once, tiny; its accuracies mean nothing.")
    ] = False,
) -> None:
    """Trains three nets of equal size on displaced digits and a control, and shows how far their filters reach."""
    _at_least("--seed", seed, 0)
    if epochs is not None:
        _at_least("--epochs", epochs, 1)
    from experiments.files import claim_folder, write_json, write_text

    try:
        claim_folder(out, "quickstart", FILES)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error

    # What follows takes seconds to import; an error or --help should not.
    from experiments.quickstart import figures, report, run

    console = Console()
    start = time.perf_counter()
    settings = run.Settings(seed=seed).smoke() if smoke else run.Settings(seed=seed)
    if epochs is not None:
        settings = dataclasses.replace(settings, epochs=epochs)
    results = run.run_nets(settings, lambda line: console.rule(line, align="left"))
    console.rule("control: the frequency net on centred digits", align="left")
    control = run.run_control(settings)
    data = run.to_dict(results, control, settings, time.perf_counter() - start)
    pictures = figures.draw_all(results, control, settings.seed)
    # First, because it marks the folder as ours.
    write_json(out / "results.json", data)
    for name, png in pictures.items():
        (out / name).write_bytes(png)
    write_text(out / "report.html", report.render(data, pictures))
    console.print(table(data))
    console.print(f"Written to {out}; open {out / 'report.html'}")


def table(data: dict[str, Any]) -> Table:
    """The nets as rows: accuracy overall and by displacement, cost, kernel size."""
    view = Table(title="Displaced digits: test accuracy in %")
    view.add_column("", style="bold")
    for net in data["nets"]:
        view.add_column(net["name"], justify="right")
    lines: dict[str, list[str]] = {"all displacements": [f"{100 * net['accuracy']:.1f}" for net in data["nets"]]}
    for name in data["settings"]["classes"]:
        lines[name] = [f"{100 * net['accuracy_by_displacement'][name]:.1f}" for net in data["nets"]]
    lines["parameters"] = [f"{net['parameters']:,}" for net in data["nets"]]
    lines["seconds of training"] = [f"{net['seconds']:.1f}" for net in data["nets"]]
    lines["kernel size before, px"] = [f"{net['effective_size_before']:.0f}" for net in data["nets"]]
    lines["kernel size after, px"] = [f"{net['effective_size_after']:.0f}" for net in data["nets"]]
    for label, cells in lines.items():
        view.add_row(label, *cells, end_section=label in ("all displacements", data["settings"]["classes"][-1]))
    return view


def _at_least(option: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise typer.BadParameter(f"{value} must be at least {minimum}", param_hint=option)


if __name__ == "__main__":
    typer.run(main)
