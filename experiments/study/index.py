"""All studies on one page, from their results alone: answers, a forest plot, papers, and what is covered of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.files import read_json, write_bytes, write_text
from experiments.study.figures import forest, to_png
from experiments.study.report import render

TITLE = "# Studies"
FOLDER = "studies"
"""Folder of the studies, beside the page."""
PAGE, PLOT, LOG = "README.md", "forest.png", "log.txt"
_LINEAR, _TICKS = 2, (1, 2, 5, 15, 50)
"""Of the axis of differences in accuracy, in points."""
ANSWERS = (
    ("reach", "window"),
    ("accuracy", "parity"),
    ("ringing", "size"),
    ("frozen", "gap"),
    ("converting", "steps"),
)
"""Studies and claims that the page opens with."""


def write(folder: Path, names: Sequence[str]) -> None:
    """The page of those studies in `folder` that are complete, and its figure."""
    found = complete(folder, names)
    if found:
        write_bytes(folder / PLOT, plot(_primary(found)))
    write_text(folder / PAGE, to_markdown(folder, names))


def to_markdown(folder: Path, names: Sequence[str]) -> str:
    """The content of the page."""
    studies = complete(folder, names)
    claims = _primary(studies)
    return render(
        Path(__file__).with_name("index.md.j2"),
        title=TITLE,
        plot=PLOT,
        studies=studies,
        claims=claims,
        answers=[one for key in ANSWERS for one in claims if (one["study"], one["claim"]) == key],
        papers=list(dict.fromkeys(claim["paper"] for claim in claims if claim["paper"])),
        log=f"{FOLDER}/{LOG}" if (folder / FOLDER / LOG).is_file() else None,
    )


def plot(claims: Sequence[dict[str, Any]]) -> bytes:
    """A forest plot, one panel for each unit; PNG."""
    units = {unit: [one for one in claims if one["unit"] == unit] for unit in dict.fromkeys(c["unit"] for c in claims)}
    heights = [sum(len(claim["contrasts"]) for claim in found) for found in units.values()]
    figure = Figure(figsize=(7.3, 0.42 * sum(heights) + 0.6 * len(units) + 0.6), layout="constrained")
    panels = figure.subplots(len(units), 1, height_ratios=[height + 0.5 for height in heights], squeeze=False)
    for axes, (unit, found) in zip(panels[:, 0], units.items(), strict=True):
        forest(axes, found)
        axes.set_xlabel(unit)
        if unit == "points":  # margins of a point beside differences of tens: linear between -2 and 2
            axes.set_xscale("symlog", linthresh=_LINEAR, linscale=1.5)
            ticks = [sign * tick for tick in _TICKS for sign in (-1, 1)]
            low, high = axes.get_xlim()
            axes.set_xticks([0, *(tick for tick in ticks if low < tick < high)])
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
    return to_png(figure)


def _primary(studies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [claim for study in studies for claim in study["claims"] if not claim["secondary"]]


def complete(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """What the page says of each study that has results and a report: name, link, claims and seconds."""
    studies = []
    for name in names:
        path = f"{FOLDER}/{name}/REPORT.md"
        data = read_json(folder / FOLDER / name / "results.json")
        if data is None or not (folder / path).is_file():
            continue
        title = (folder / path).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        link = f"[{title}]({path})"
        claims = [{**claim, "study": name, "link": link} for claim in data["claims"]]
        studies.append({"name": name, "link": link, "claims": claims, "seconds": data["seconds"]})
    return studies
