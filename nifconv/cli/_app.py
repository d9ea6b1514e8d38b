"""The commands, in one application; each lives in a file of its own and imports torch when it runs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from nifconv.cli._bake import bake_model
from nifconv.cli._bench import bench
from nifconv.cli._convert import convert_model
from nifconv.cli._export import export_model
from nifconv.cli._inspect import inspect_model

app = typer.Typer(
    name="nifconv",
    help="Convolutions whose kernels are functions of frequency: convert models, measure, bake and export them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # main() reports errors in one line; a defect shows Python's own traceback
)

app.command("convert")(convert_model)
app.command("inspect")(inspect_model)
app.command("bake")(bake_model)
app.command("export")(export_model)
app.command("bench")(bench)


@app.command("doctor")
def doctor() -> None:
    """Shows which engine computes frequency convolutions on this machine and which table `method="auto"` reads."""
    from nifconv.cli import _doctor

    _doctor.doctor()


def _show_version(asked: bool) -> None:
    # Eager: the version is shown and the command ends before other options are read, so they may be missing.
    if asked:
        typer.echo(f"nifconv {version('nifconv')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Convolutions whose kernels are functions of frequency: convert models, measure, bake and export them."""
