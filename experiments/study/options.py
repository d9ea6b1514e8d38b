"""Command-line options that all experiments share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from experiments.files import claim_folder

Out = Annotated[Path | None, typer.Option("--out", help="Folder for the results (default: beside the code).")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Run everything at a tiny size, as a check; needs another --out.")]


def results_folder(out: Path | None, committed: Path, experiment: str, files: Iterable[str], *, smoke: bool) -> Path:
    """The folder to write to, which exists and may be written to.

    Args:
        out: the option's value.
        committed: folder of the committed results, the default.
        experiment: name of the experiment in results.json.
        files: names of all files that will be written.
        smoke: whether this is a smoke run, whose results mean nothing.

    Raises:
        typer.BadParameter: other files than earlier results, or committed results by a smoke run, would be replaced.
    """
    folder = out or committed
    if smoke and folder.resolve() == committed.resolve():
        raise typer.BadParameter(
            f"{folder} holds the real results; choose another folder for --smoke", param_hint="--out"
        )
    try:
        claim_folder(folder, experiment, files)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    return folder
