"""One HTML file for one survey or several side by side; it needs neither a network nor other files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from nifconv.footprint._null import LEAST_COPIES
from nifconv.footprint.figures._style import COLORS
from nifconv.footprint.measures._table import BY_NAME, HEADLINE, MEASURES
from nifconv.footprint.page import _rows
from nifconv.footprint.page._figures import figures
from nifconv.footprint.page._findings import Fields, findings


def render(
    layers: _rows.Layers,
    *,
    title: str,
    settings: Mapping[str, Mapping[str, Any]],
    fields: Fields,
    image: Tensor | None = None,
) -> str:
    """The page as text: what was found in words, then pictures, then tables.

    Args:
        layers: the layers of each survey by its name, which is not shown if there is only one.
        title: heading of the page.
        settings: how each survey was made, by its name.
        fields: effective receptive fields to show as well, by the name of their survey or under "".
        image: an input `(channels, *size)` to draw them over.

    Raises:
        ImportError: jinja2 or matplotlib is not installed.
        TypeError, ValueError: `image` is not an image.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ImportError("pages need jinja2; install it with: pip install 'nifconv[report]'") from error
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # names come from the model and the title from the user
        undefined=StrictUndefined,  # a misspelt name in the template raises instead of leaving a cell empty
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = _rows.sections(layers)
    names = [name or "this model" for name in layers]
    nulls = [layer.null for members in layers.values() for layer in members if layer.null]
    links = {section["key"]: section["id"] for section in sections}
    return environment.get_template("page.html.j2").render(
        title=title,
        names=[{"name": name, "color": COLORS[i % len(COLORS)]} for i, name in enumerate(names)],
        several=len(layers) > 1,
        with_null=bool(nulls),
        few_copies=any(null.draws < LEAST_COPIES for null in nulls),
        fewest=LEAST_COPIES,
        findings=[
            (found, links[found.layer.name, found.layer.map_size] if found.layer else None)
            for found in findings(layers, fields)
        ],
        measures=MEASURES,
        headline=[BY_NAME[name] for name in HEADLINE],
        sections=sections,
        sides=_rows.sides(sections, names),
        stages=_rows.by_stage(sections),
        figures=figures(layers, fields, image),
        fields=[{"survey": name, **field.to_dict()} for name, some in fields.items() for field in some],
        settings=settings,
    )


def write(path: str | Path, page: str) -> None:
    """Writes the page as UTF-8, which it declares."""
    Path(path).write_text(page, encoding="utf-8")
