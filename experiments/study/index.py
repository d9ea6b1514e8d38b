"""All studies on one page, from their results alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.files import read_json
from experiments.study.report import render

TITLE = "# Studies"
FOLDER = "studies"
"""Folder of the studies, beside the page."""


def to_markdown(folder: Path, names: Sequence[str]) -> str:
    """The page of those studies in `folder` that are complete: their claims, and links to their reports."""
    studies = []
    for name in names:
        path = f"{FOLDER}/{name}/REPORT.md"
        data = read_json(folder / FOLDER / name / "results.json")
        if data is None or not (folder / path).is_file():
            continue
        title = (folder / path).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        studies.append({"link": f"[{title}]({path})", "claims": data.get("claims", [])})
    return render(Path(__file__).with_name("index.md.j2"), title=TITLE, studies=studies)
