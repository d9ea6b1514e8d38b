"""Reports from templates: prose and tables are in `REPORT.md.j2`, numbers come from results.json."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from experiments.study import verdicts

Data = Mapping[str, Any]
"""The content of results.json."""
Facts = Callable[[Data], Mapping[str, Any]]
"""What a template needs besides the content of results.json, from that content."""
_SHARES = ("hits", "share", "objects", "canvas")
"""Measures with these words in their names are given in %."""

_FAILURES = 0.15
"""Standard deviation of an accuracy."""


def no_facts(_: Data) -> dict[str, Any]:
    """For reports that say nothing but what results.json holds."""
    return {}


def in_unit(value: float, claim: Mapping[str, Any], sign: str = "+") -> str:
    """A number of a claim in the claim's unit."""
    number = f"{claim['scale'] * value:{sign}.3g}"
    unit = claim["unit"].removesuffix("s") if number.lstrip("+-") == "1" else claim["unit"]
    return f"{number} {unit}".rstrip()


def with_interval(one: Mapping[str, Any], claim: Mapping[str, Any]) -> str:
    """An estimate and its interval of 95 %, in the claim's unit."""
    estimate, low, high = (claim["scale"] * one[key] for key in ("estimate", "low", "high"))
    digits = 2 if high - low < 1 else 1 if high - low < 10 else 0
    # Plus 0.0, so that what is rounded to zero has no minus.
    estimate, low, high = (round(value, digits) + 0.0 for value in (estimate, low, high))
    return f"{estimate:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}] {claim['unit']}".rstrip()


def by_seed(row: Mapping[str, Any], measure: str) -> list[float]:
    """A measure of each run of a row; hits as a share of the images."""
    found = verdicts.values([row]).get((row["name"], measure), ())
    return [float(one.mean()) for one in found]


def cell(row: Mapping[str, Any], measure: str) -> str:
    """What a row says of all seeds, or mean ± standard deviation of a measure; empty where there is none."""
    if measure in row:
        return f"{row[measure]:,}" if isinstance(row[measure], int) else str(row[measure])
    values = by_seed(row, measure)
    if not values:
        return ""
    scale = 100 if any(word in measure for word in _SHARES) else 1
    middle = scale * statistics.mean(values)
    digits = 1 if abs(middle) >= 1 else 2
    spread = f" ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{middle:.{digits}f}{spread}"


def unstable(rows: Iterable[Mapping[str, Any]], measure: str = "hits") -> list[str]:
    """Names of the rows whose accuracy varies so much between seeds that some runs must have failed to learn."""
    found = {row["name"]: by_seed(row, measure) for row in rows}
    return [name for name, values in found.items() if len(values) > 1 and statistics.stdev(values) > _FAILURES]


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
    functions = {one.__name__: one for one in (in_unit, with_interval, by_seed, cell, unstable, p_value, row, head)}
    environment.filters.update(functions)
    environment.globals.update(functions)
    return environment.get_template(template.name).render(context or {}, **values)
