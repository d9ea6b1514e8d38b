"""The claims, and what the runs say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from experiments.studies.reach.nets import GLOBAL, LOCAL_PRIOR, variants
from experiments.studies.reach.run import MEASURES, Recipe, row_name, tasks
from experiments.studies.reach.tasks import CONTROL, DISPLACED, PATHFINDER, Task, needed_window
from experiments.study.statistics import Contrast, judge

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


def judged(rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """Contrasts and verdicts."""
    return judge(CLAIMS, contrasts(recipe), values(rows))


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """By measure and row, for each seed."""
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


def key(measure: str, row: str) -> str:
    """Of the values of a measure."""
    return f"{measure} of {row}"


def contrasts(recipe: Recipe) -> list[Contrast]:
    """All comparisons that are made."""
    by_family = {f: [t for t in tasks(recipe) if t.family == f] for f in (CONTROL, DISPLACED, PATHFINDER)}
    (control,), displaced, contours = by_family.values()
    made = [*_falls(recipe, displaced), *_stays(displaced), *_gains("needs", recipe, control, displaced[-1])]
    for net in (GLOBAL, LOCAL_PRIOR):
        made.append(_slope("uses", IN_USE, displaced, net))
        made += [_slope("grows", measure, displaced, net) for measure in MEASURES]
        made += [_excess(measure, displaced[-1], net) for measure in MEASURES]
        made += [_excess_over(measure, control, displaced[-1], net) for measure in MEASURES]
    made += _gains("contours", recipe, contours[0], contours[-1])
    made += [_slope("contours grow", measure, contours, GLOBAL) for measure in (*MEASURES, IN_USE)]
    return sorted(made, key=lambda contrast: list(CLAIMS).index(contrast.claim))


def _falls(recipe: Recipe, displaced: Sequence[Task]) -> list[Contrast]:
    return [
        Contrast("falls", row_name(task, net), {key(ACCURACY, row_name(task, net)): 1}, CHANCE, above=False)
        for task in displaced
        for net in variants(task, recipe.kernel_sizes)
        if net.field(task) < needed_window(task)
    ]


def _stays(displaced: Sequence[Task]) -> list[Contrast]:
    names = [f"{task.name}: {GLOBAL}" for task in displaced]
    return [Contrast("stays", name, {key(ACCURACY, name): 1}, SOLVED) for name in names]


def _gains(claim: str, recipe: Recipe, near: Task, far: Task) -> list[Contrast]:
    """The gain of global kernels over small ones, far minus near."""
    small = [f"{size}x{size}" for size in recipe.kernel_sizes[:2]]
    return [
        Contrast(
            claim,
            f"({GLOBAL} - {net}, {far.name}) - ({GLOBAL} - {net}, {near.name})",
            {
                key(ACCURACY, f"{task.name}: {one}"): sign * (1 if one == GLOBAL else -1)
                for task, sign in ((far, 1), (near, -1))
                for one in (GLOBAL, net)
            },
        )
        for net in small
    ]


def _slope(claim: str, measure: str, along: Sequence[Task], net: str) -> Contrast:
    """Least-squares slope of a measure against the reach, pixels per pixel."""
    centre = mean(task.reach for task in along)
    square = sum((task.reach - centre) ** 2 for task in along)
    weights = {key(measure, f"{task.name}: {net}"): (task.reach - centre) / square for task in along}
    return Contrast(claim, f"slope of {LABELS[measure]}, {along[0].family}: {net}", weights)


def _excess(measure: str, task: Task, net: str) -> Contrast:
    name = f"{task.name}: {net}"
    return Contrast("exceeds", f"{LABELS[measure]} - that of fresh draws, {name}", _over_fresh(measure, name, 1))


def _excess_over(measure: str, near: Task, far: Task, net: str) -> Contrast:
    names = (f"{far.name}: {net}", f"{near.name}: {net}")
    weights = {**_over_fresh(measure, names[0], 1), **_over_fresh(measure, names[1], -1)}
    return Contrast("only there", f"{LABELS[measure]} over fresh draws, {far.name} - {near.name}: {net}", weights)


def _over_fresh(measure: str, row: str, sign: int) -> dict[str, float]:
    return {key(measure, row): sign, key(f"{FRESH} {measure}", row): -sign}
