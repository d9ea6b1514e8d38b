"""The claims, and what the runs say about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.studies.reach.config import Config
from experiments.studies.reach.run import MEASURES
from experiments.studies.reach.tasks import CONTROL, DISPLACED, PATHFINDER, Task, needed_window, tasks
from experiments.studies.reach.variants import GLOBAL, LOCAL_PRIOR, name_of, variants
from experiments.study.judge import Contrast, judge, minus, slope

ACCURACY, IN_USE, FRESH = "accuracy", "in_use", "fresh"
CHANCE, SOLVED = 0.55, 0.9
"""Limits of an accuracy near 1/2, and of one near 1."""
LABELS = {"size90": "effective size", "rms_radius": "rms radius", IN_USE: "window in use"}
CLAIMS = {
    "falls": "Nets whose field of view is too small for a displacement stay near chance",
    "stays": "Global kernels solve every displacement",
    "needs": "Large kernels help more where digits are far apart than where no reach is needed",
    "uses": "The window of the trained global kernels that accuracy depends on grows with the displacement",
    "grows": "The effective size and the rms radius of trained global kernels grow with the displacement",
    "exceeds": "At the largest displacement they exceed those of fresh draws",
    "only there": "They exceed them by more than where no reach is needed",
    "contours": "In Pathfinder, too, global kernels gain more over small ones with long contours than with short ones",
    "contours grow": "In Pathfinder, too, effective size, rms radius and window in use grow with the contours",
}


def judged(config: Config, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Contrasts and verdicts."""
    return judge(CLAIMS, contrasts(config), values(rows))


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """By measure and variant, for each seed."""
    found: dict[str, list[float]] = {}
    for row in rows:
        runs = row["runs"]
        found[key(ACCURACY, row["name"])] = [run["accuracy"] for run in runs]
        if IN_USE not in runs[0]:
            continue
        found[key(IN_USE, row["name"])] = [run[IN_USE] for run in runs]
        for name in MEASURES:
            found[key(name, row["name"])] = [run[name]["value"] for run in runs]
            found[key(f"{FRESH} {name}", row["name"])] = [run[name]["mean"] for run in runs]
    return found


def key(measure: str, name: str) -> str:
    """Name of the values of a measure."""
    return f"{measure} of {name}"


def contrasts(config: Config) -> Iterator[Contrast]:
    """All comparisons."""
    by_family = {f: [t for t in tasks(config) if t.family == f] for f in (CONTROL, DISPLACED, PATHFINDER)}
    (control,), displaced, contours = by_family.values()
    for task in displaced:
        solved = name_of(task, GLOBAL)
        yield Contrast("stays", solved, {key(ACCURACY, solved): 1}, SOLVED)
        for one in variants(task, config.kernel_sizes):
            if one.field < needed_window(task):
                yield Contrast("falls", one.name, {key(ACCURACY, one.name): 1}, CHANCE, above=False)
    yield from _gains("needs", config, control, displaced[-1])
    for net in (GLOBAL, LOCAL_PRIOR):
        yield _slope("uses", IN_USE, displaced, net)
        for measure in MEASURES:
            yield _slope("grows", measure, displaced, net)
            yield from _excesses(measure, control, displaced[-1], net)
    yield from _gains("contours", config, contours[0], contours[-1])
    for measure in (*MEASURES, IN_USE):
        yield _slope("contours grow", measure, contours, GLOBAL)


def _gains(claim: str, config: Config, near: Task, far: Task) -> Iterator[Contrast]:
    """The gain of global kernels over small ones, far minus near."""
    for size in config.kernel_sizes[:2]:
        net = f"{size}x{size}"
        gains = [minus(*(key(ACCURACY, name_of(task, one)) for one in (GLOBAL, net))) for task in (far, near)]
        yield Contrast(claim, f"({GLOBAL} - {net}, {far.name}) - ({GLOBAL} - {net}, {near.name})", minus(*gains))


def _slope(claim: str, measure: str, along: Sequence[Task], net: str) -> Contrast:
    """Least-squares slope of a measure against the reach, pixels per pixel."""
    names = [key(measure, name_of(task, net)) for task in along]
    weights = dict(zip(names, slope([task.reach for task in along]), strict=True))
    return Contrast(claim, f"slope of {LABELS[measure]}, {along[0].family}: {net}", weights)


def _excesses(measure: str, near: Task, far: Task, net: str) -> Iterator[Contrast]:
    """A measure over that of re-initialised kernels: far, and far minus near."""
    at_far, at_near = (
        minus(key(measure, name), key(f"{FRESH} {measure}", name)) for name in (name_of(far, net), name_of(near, net))
    )
    label = LABELS[measure]
    yield Contrast("exceeds", f"{label} - that of fresh draws, {name_of(far, net)}", at_far)
    yield Contrast("only there", f"{label} over fresh draws, {far.name} - {near.name}: {net}", minus(at_far, at_near))
