"""How the scripts of the guide become pages: their order, and the figures that they end with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

# The order in which a newcomer should meet them.
ORDER = (
    "convert_a_resnet",
    "kernel_sizes_of_convnext",
    "reach_in_every_direction",
    "three_knobs",
    "frozen_filters",
    "match_and_bake",
    "another_resolution",
    "circular_or_zeros",
    "receptive_fields",
    "your_own_filter",
)


def draw_figures(_block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Shows a figure that is the value of the last line of a block; figures of nifconv are not in pyplot's list."""
    names = block_vars["example_globals"]
    # sphinx-gallery stores that value under this name, as a notebook does, and leaves it there for the next blocks.
    figure = names.get("___")
    if not isinstance(figure, Figure) or names.get("__drawn__") is figure:
        return ""
    names["__drawn__"] = figure
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path)
    return figure_rst([path], gallery_conf["src_dir"])


def by_order(name: str) -> int:
    """Position of a script in the guide."""
    return ORDER.index(Path(name).stem)
