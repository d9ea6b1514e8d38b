"""Command-line options that all experiments share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from experiments.study.results import claim_folder

Out = Annotated[Path | None, typer.Option("--out", help="Folder for the results; default: beside the code.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Run everything once, tiny; needs another --out.")]


def results_folder(out: Path | None, committed: Path, experiment: str, files: Iterable[str], *, smoke: bool) -> Path:
    """The folder to write to, ready for it.

    Args:
        out: what the user gave.
        committed: where the real results are, the default.
        experiment: its name in results.json.
        files: names of all that will be written.
        smoke: whether the results mean nothing.

    Raises:
        typer.BadParameter: files would be replaced that are not earlier results, or real results by a smoke run.
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
