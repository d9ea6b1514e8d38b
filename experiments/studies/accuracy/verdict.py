"""What the runs say about the claims, which were written down before the final ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.studies.accuracy.arms import (
    CIRCULAR,
    IMAGE,
    IMAGE_LARGE,
    PIXEL,
    PIXEL_LARGE,
    TAPS_3,
    ZEROS,
)
from experiments.studies.accuracy.scenes import CANVAS, OBJECTS
from experiments.study.statistics import Contrast, judge

MARGIN = 0.01
"""What "within a point" allows, in either direction."""
CLAIMS = {
    "not worse": "At equal parameters (and width), global frequency filters are at most one point worse than 3x3 taps",
    "not better": "At equal parameters (and width), they are at most one point better",
    "not worse, width": "At equal width, with a larger MLP, they are at most one point worse than 3x3 taps",
    "not better, width": "At equal width, with a larger MLP, they are at most one point better",
    "boundary": "Zero padding instead of a map that wraps around changes the accuracy of global frequency filters by "
    "less than one point",
    "objects": "Where objects grow with the image, image coordinates keep more accuracy than pixel coordinates",
    "canvas": "Where only the canvas grows, pixel coordinates keep more accuracy than image coordinates",
}


def judge_rows(rows: Sequence[Mapping[str, Any]], canvases: Sequence[int], trained: int) -> dict[str, Any]:
    """Contrasts and claims; of the resolutions, those larger than the trained one."""
    larger = [size for size in canvases if size > trained]
    return judge(CLAIMS, contrasts(larger), _values(rows, larger, trained))


def contrasts(larger: Sequence[int]) -> list[Contrast]:
    """All comparisons that are made."""
    made: list[Contrast] = []
    for family in (PIXEL, IMAGE):
        for padding in (CIRCULAR, ZEROS):
            made += _within(_named(family, padding), _named(TAPS_3, padding), "not worse", "not better")
        made += _within(_named(family, ZEROS), _named(family, CIRCULAR), "boundary", "boundary")
    for family in (PIXEL_LARGE, IMAGE_LARGE):
        made += _within(_named(family, CIRCULAR), _named(TAPS_3, CIRCULAR), "not worse, width", "not better, width")
    image, pixel = (_named(family, CIRCULAR) for family in (IMAGE, PIXEL))
    made += [_keeps(OBJECTS, image, pixel, size) for size in larger]
    made += [_keeps(CANVAS, pixel, image, size) for size in larger]
    return sorted(made, key=lambda contrast: list(CLAIMS).index(contrast.claim))


def _named(family: str, padding: str) -> str:
    return f"{family} ({padding})"


def _within(left: str, right: str, not_below: str, not_above: str) -> Iterator[Contrast]:
    """`left` is no more than the margin below `right`, and no more than that above it."""
    for claim, limit, above in ((not_below, -MARGIN, True), (not_above, MARGIN, False)):
        yield Contrast(claim, f"{left} - {right}", {left: 1, right: -1}, limit=limit, above=above)


def _keeps(kind: str, more: str, less: str, size: int) -> Contrast:
    label = f"kept at {size} px by {more} - by {less}"
    return Contrast(kind, label, {_kept(more, kind, size): 1, _kept(less, kind, size): -1})


def _kept(row: str, kind: str, size: int) -> str:
    return f"{row}, {kind}, {size}"


def _values(rows: Sequence[Mapping[str, Any]], larger: Sequence[int], trained: int) -> dict[str, list[float]]:
    """Accuracies by row and seed, and their change from the trained resolution to each larger one."""
    values = {row["name"]: [run["accuracy"] for run in row["runs"]] for row in rows}
    for row in rows:
        for kind in (OBJECTS, CANVAS):
            for size in larger:
                by_seed = [run["resolution"][kind] for run in row["runs"]]
                values[_kept(row["name"], kind, size)] = [one[str(size)] - one[str(trained)] for one in by_seed]
    return values
