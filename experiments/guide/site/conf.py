"""Configuration of the site: README, guide, API and reports, with the repository as source folder."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT)]  # The scripts of the guide import from `experiments`.

project = "nifconv"
release = importlib.metadata.version("nifconv")
html_theme = "furo"
html_title = f"nifconv {release}"
html_show_copyright = False
html_static_path = [str(HERE / "static")]
html_css_files = ["wide.css"]
templates_path = [str(HERE / "templates")]
# README is the front page; a browser that asks for index.html is sent there.
html_additional_pages = {"index": "redirect.html"}
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
root_doc = "README"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "experiments/README.md",
    "experiments/**/REPORT.md",
    "experiments/recipes/README.md",
    "experiments/guide/*.md",
    "experiments/guide/site/api.md",
    "build/guide/*.rst",
    "build/api/*.rst",
]
myst_heading_anchors = 3
default_role = "code"
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False


sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent),
    "gallery_dirs": str(ROOT / "build/guide"),
    "backreferences_dir": "build/guide/uses",
    "doc_module": ("nifconv",),
    "filename_pattern": ".*",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "experiments.guide.site.gallery.by_order",
    "image_scrapers": ("matplotlib", "experiments.guide.site.gallery.draw_figures"),
    "capture_repr": ("__repr__",),
    "ignore_repr_types": r"matplotlib\.",  # figures are drawn, and the last line of a plot has nothing to say
    "download_all_examples": False,
    "show_memory": False,
}


def add_contents(_app: Sphinx, name: str, source: list[str]) -> None:
    """README has no table of contents of its own; the site's is added to it."""
    if name == root_doc:
        source[0] += (HERE / "contents.txt").read_text(encoding="utf-8")


def escape_bars(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """In the docstrings |x| is a norm, not a substitution of reStructuredText."""
    lines[:] = [
        "".join(
            part if index % 2 else part.replace("|", r"\|") for index, part in enumerate(re.split(r"(`[^`]*`)", line))
        )
        for line in lines
    ]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", escape_bars)
