"""The commands, in one application; each lives in a file of its own."""

from __future__ import annotations

import typer

from nifconv.cli._bench import bench
from nifconv.cli._convert import convert_model
from nifconv.cli._doctor import doctor
from nifconv.cli._inspect import inspect_model

app = typer.Typer(
    name="nifconv",
    help="Convolutions whose kernels are functions of frequency: convert models, and measure them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # main() reports errors in one line; a defect shows Python's own traceback
)

app.command("convert")(convert_model)
app.command("inspect")(inspect_model)
app.command("bench")(bench)
app.command("doctor")(doctor)
