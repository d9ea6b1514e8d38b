"""What the runs say about the claims, which were written down before the final ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from experiments.studies.accuracy.config import Config
from experiments.studies.accuracy.variants import (
    CIRCULAR,
    FAMILIES,
    IMAGE,
    IMAGE_LARGE,
    PIXEL,
    PIXEL_LARGE,
    TAPS_3,
    ZEROS,
    PaddingMode,
    Variant,
)
from experiments.study.judge import Contrast, judge, minus
from experiments.tasks.scenes import CANVAS, OBJECTS

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


def judged(config: Config, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Contrasts and verdicts."""
    return judge(CLAIMS, contrasts(_larger(config)), values(config, rows))


def contrasts(larger: Sequence[int]) -> Iterator[Contrast]:
    """All comparisons, at the trained canvas and at larger ones."""
    for family in (PIXEL, IMAGE):
        for padding in (CIRCULAR, ZEROS):
            yield from _within(_name(family, padding), _name(TAPS_3, padding), "not worse", "not better")
        yield from _within(_name(family, ZEROS), _name(family), "boundary", "boundary")
    for family in (PIXEL_LARGE, IMAGE_LARGE):
        yield from _within(_name(family), _name(TAPS_3), "not worse, width", "not better, width")
    for kind, more, less in ((OBJECTS, IMAGE, PIXEL), (CANVAS, PIXEL, IMAGE)):
        for size in larger:
            label = f"kept at {size} px by {_name(more)} - by {_name(less)}"
            yield Contrast(kind, label, minus(_kept(_name(more), kind, size), _kept(_name(less), kind, size)))


def values(config: Config, rows: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Accuracies by variant and seed, and their change from the trained resolution to each larger one."""
    found = {row["name"]: [run["accuracy"] for run in row["runs"]] for row in rows}
    trained = str(config.scene.canvas)
    for row in rows:
        for kind in (OBJECTS, CANVAS):
            by_seed = [run["resolution"][kind] for run in row["runs"]]
            for size in _larger(config):
                found[_kept(row["name"], kind, size)] = [one[str(size)] - one[trained] for one in by_seed]
    return found


def _larger(config: Config) -> list[int]:
    return [size for size in config.canvases if size > config.scene.canvas]


def _name(family: str, padding: PaddingMode = CIRCULAR) -> str:
    return Variant(family, padding, FAMILIES[family].kernel_size).name


def _kept(name: str, kind: str, size: int) -> str:
    return f"{name}, {kind}, {size}"


def _within(left: str, right: str, not_below: str, not_above: str) -> Iterator[Contrast]:
    """`left` is no more than the margin below `right`, and no more than that above it."""
    for claim, limit, above in ((not_below, -MARGIN, True), (not_above, MARGIN, False)):
        yield Contrast(claim, f"{left} - {right}", minus(left, right), limit, above)
