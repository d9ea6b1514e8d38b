"""Reports from templates: prose and tables are in `REPORT.md.j2`, numbers come from results.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from experiments.study.judge import spread

Data = Mapping[str, Any]
"""The content of results.json."""
Facts = Callable[[Data], Mapping[str, Any]]
"""What a template needs besides the content of results.json, from that content."""


def no_facts(_: Data) -> dict[str, Any]:
    """For reports that say nothing but what results.json holds."""
    return {}


def percent(share: float, digits: int = 1) -> str:
    """A share from 0 to 1 in %."""
    return f"{100 * share:.{digits}f}"


def with_error(values: Mapping[str, float], scale: float = 1.0, digits: int = 1, sign: str = "") -> str:
    """Mean and standard error as given by `spread`, each times `scale`; with sign "+" the mean has a sign."""
    return f"{scale * values['mean']:{sign}.{digits}f} ± {scale * values['error']:.{digits}f}"


def listed(values: Iterable[float]) -> str:
    """Numbers separated by commas."""
    return ", ".join(f"{value:g}" for value in values)


def p_value(p: float) -> str:
    """As the statistics of psychologists have it: .042, < .001."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def row(cells: Iterable[object]) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(columns: Iterable[object], numbers_from: int = 1) -> str:
    """The first two lines of a table; columns from `numbers_from` on are aligned to the right."""
    names = list(columns)
    return f"{row(names)}\n{row('---' if i < numbers_from else '---:' for i in range(len(names)))}"


def render(template: Path, context: Data | None = None, **values: Any) -> str:
    """The text that a template makes of the entries of `context` and, before these, of `values`.

    Templates may import the macros of `parts.md.j2` and use the functions of this module.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        undefined=StrictUndefined,
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions = {one.__name__: one for one in (percent, with_error, listed, p_value, row, head, spread)}
    environment.filters.update(functions)
    environment.globals.update(functions)
    return environment.get_template(template.name).render(context or {}, **values)
