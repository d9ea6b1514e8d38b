"""All studies on one page, from their results alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.study.markdown import table
from experiments.study.results import read_json

TITLE = "# Studies"
FOLDER = "studies"
"""Where the studies are, beside the page."""
_INTRODUCTION = f"""\
{TITLE}

The claims of the papers, and a few of our own, as questions to embedded data and small nets. A claim is *supported* if
all its contrasts between seeds are decided in its favour, *not supported* if one is decided against it, and *not
decidable at this size* otherwise; each report tells the method, the test, the numbers and what would change the
verdict. `python -m experiments --out my-results` runs them all; the same command again goes on after an
interruption."""


def to_markdown(folder: Path, names: Sequence[str]) -> str:
    """The page for those of the studies in `folder` that are complete: their claims, and the reports of the others."""
    sections, others = [_INTRODUCTION], []
    for name in names:
        report = folder / FOLDER / name / "REPORT.md"
        data = read_json(folder / FOLDER / name / "results.json")
        if data is None or not report.is_file():
            continue
        title = report.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        link = f"[{title}]({FOLDER}/{name}/REPORT.md)"
        claims = data.get("claims")
        if claims is None:
            others.append(f"- {link}")
        else:
            rows = [[claim["text"], claim["verdict"]] for claim in claims]
            sections.append(f"## {link}\n\n{table(['claim', 'verdict'], rows, numbers_from=2)}")
    if others:
        sections.append("## Measurements without a claim\n\n" + "\n".join(others))
    return "\n\n".join(sections) + "\n"
