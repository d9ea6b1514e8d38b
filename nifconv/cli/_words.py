"""Messages of the library in the words of the command line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

_OPTIONS = (
    *("expansion", "tolerance", "kernel_size", "padding_mode", "where", "to", "filter", "match", "trust", "pretrained"),
    *("num_classes", "in_channels", "weights", "seed", "null", "form"),
)
# Options whose name differs from that of the argument, and names of filters as --filter takes them.
_NAMES = {"in_channels": "channels"}
_FILTERS = {"SpatialFilter": "spatial", "ImplicitFilter": "implicit", "TableFilter": "table"}
# An argument with its value, and an argument alone: in backquotes, or if no ordinary word is spelled like it.
_GIVEN = re.compile(rf"`?\b({'|'.join(_OPTIONS)})=(\[[^\]]*\]|'[^']*'|-?[\w.]+)`?")
_NAMED = re.compile(rf"`({'|'.join(_OPTIONS)})`|\b(kernel_size|padding_mode)\b(?!=)")


def in_options(text: str) -> str:
    """`to='lc' and expansion=9` -> `--to lc and --expansion 9`; `match=True` -> `--match`."""

    def given(found: re.Match[str]) -> str:
        # A list of one name, or a name, as the user wrote it; what is inside the quotes may be a bracket.
        option, value = _option(found[1]), found[2].removeprefix("[").removesuffix("]").strip("'")
        return option if value == "True" else f"{option} {_FILTERS.get(value, value)}"

    text = _GIVEN.sub(given, text).replace("filter={", "--filter {")
    return _NAMED.sub(lambda found: _option(found[1] or found[2]), text).replace("base_model", "MODEL")


def _option(argument: str) -> str:
    return "--" + _NAMES.get(argument, argument).replace("_", "-")


@contextmanager
def errors_in_options(hint: str | None = None) -> Iterator[None]:
    """A context in which what the library refuses becomes a message about options, without a traceback.

    Raises:
        typer.BadParameter: instead of what a user caused.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        message = in_options(str(error)) or type(error).__name__
        raise typer.BadParameter(message, param_hint=hint) from error


@contextmanager
def warnings_in_options() -> Iterator[None]:
    """A context whose warnings to users go to the terminal."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            typer.echo(f"nifconv: {in_options(str(warning.message))}", err=True)
