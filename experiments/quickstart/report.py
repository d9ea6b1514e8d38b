"""The report: one HTML file that holds its figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(results: Mapping[str, Any], figures: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        results: the content of results.json.
        figures: PNG by file name.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    images = {
        Path(name).stem: "data:image/png;base64," + base64.b64encode(png).decode() for name, png in figures.items()
    }
    nets = {net["name"]: net for net in results["nets"]}
    return environment.get_template("report.html.j2").render(results=results, nets=nets, images=images)
