"""Files that a command writes, tables that fit the terminal, and progress."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

_WIDE = 120
"""Columns of a table that goes into a pipe or a file."""


def check_writable(
    option: str, path: Path | None, suffixes: Sequence[str] = (), *, read: Sequence[str | None] = ()
) -> None:
    """Checks before the work that its result can be written.

    Args:
        option: the option that gives the path, for messages.
        path: file to write; None if the option was not given.
        suffixes: the suffixes allowed, any if empty.
        read: names and paths of the inputs, which the result must not replace.

    Raises:
        typer.BadParameter: it cannot be written, or would replace an input.
    """
    if path is None:
        return
    folder = path.absolute().parent
    if suffixes and path.suffix not in suffixes:
        wanted = " or ".join(str(path.with_suffix(suffix)) for suffix in suffixes)
        raise typer.BadParameter(f"{path} must end in {' or '.join(suffixes)}; name it {wanted}", param_hint=option)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file in it", param_hint=option)
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder; create it first", param_hint=option)
    if path.exists() and any(Path(other).exists() and path.samefile(other) for other in read if other):
        raise typer.BadParameter(f"{path} is an input of this command; name another file", param_hint=option)
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written; choose a place where you may write", param_hint=option)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Writes plain data."""
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def width() -> int:
    """Columns that a table may have: those of the terminal, or enough for one row per layer elsewhere."""
    return shutil.get_terminal_size((_WIDE, 24)).columns


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as wide as the terminal; what does not fit follows in another block."""
    from nifconv._support.tables import text_table

    return text_table(header, rows, width())


def say(text: str) -> None:
    """Prints a result."""
    typer.echo(text)


def say_listed(text: str, names: Sequence[str]) -> None:
    """Prints what is true of several names, in lines that fit."""
    line = f"{text}: {', '.join(names)}"
    say(textwrap.fill(line, width(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))


def heading(text: str) -> None:
    """Prints a heading, bold where there is a terminal."""
    typer.secho(text, bold=True)


@contextmanager
def working(label: str) -> Iterator[None]:
    """Shows a spinner on the terminal while something of unknown length is being done."""
    # On stderr, since stdout may be a pipe that wants the results alone.
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(label)):
        yield


class Bar:
    """Progress of a loop on the terminal, with the time remaining; nothing where there is no terminal.

    Args:
        label: what is being done.
    """

    def __init__(self, label: str) -> None:
        self.label = label

    def __call__(self, jobs: Sequence[Any]) -> Iterable[Any]:
        """Wraps the loop."""
        if not sys.stderr.isatty():
            yield from jobs
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield from progress.track(jobs, description=escape(self.label))
