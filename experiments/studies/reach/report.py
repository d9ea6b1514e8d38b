"""The study's REPORT.md, from results.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from experiments.studies.reach.nets import FEATURES, GLOBAL, LOCAL_PRIOR, PIXELS
from experiments.studies.reach.tasks import CONTROL, DISPLACED, PATHFINDER
from experiments.studies.reach.verdict import CHANCE, CLAIMS, IN_USE, SOLVED
from experiments.study import markdown
from experiments.study.statistics import spread

_OF_ACCURACY = ("falls", "stays", "needs", "contours")
Rows = Sequence[Mapping[str, Any]]


def to_markdown(data: Mapping[str, Any]) -> str:
    """The whole report."""
    sections = {
        "Question": _question(),
        "Method": _method(data),
        "Accuracy": _accuracy(data["rows"]),
        "Kernels": _kernels(data),
        "Verdict": markdown.verdicts(data),
        "Contrasts": _contrasts(data),
        "What would change the verdict": _limits(data),
    }
    command = "python -m experiments.studies.reach"
    return markdown.report("Where a task needs reach, do kernels grow?", sections, command)


def _question() -> str:
    return """\
Trained frequency kernels are reported to be local, though they could fill the map (Grabinski, Keuper & Keuper 2024).
That is a finding about a task only if kernels do become large where a task demands it. This is the positive control:
tasks whose required reach is known, in growing steps, and the same nets with small and with global kernels.

![tasks](tasks.png)"""


def _method(data: Mapping[str, Any]) -> str:
    recipe, rows = data["settings"], data["rows"]
    contour_side = recipe["contour_canvas"]
    return f"""\
**Displaced digits.** Two handwritten digits of 8 pixels on a torus of 48, one d pixels to the right of the other or
d below it; the class is which. Neither digit alone tells it, and a field of view of less than d - 6 pixels never sees
ink of both. **Control:** the same canvases, but the class is whether the digits are zeros or ones.

**{PATHFINDER}.** Two dots and two dashed contours on a torus of {contour_side} pixels; the class is whether a
contour joins the dots. Each canvas could be of either class: an end of the other contour is as far from the first dot
as the own contour's other end, and its contour leaves it in the same direction; so neither ink, distance nor the
directions at the dots tell.

**Nets.** Digits: 1x1 stem, one depthwise convolution with {recipe["displaced_width"]} channels, 1x1, average pooling.
Contours: plain 3x3 stem, one convolution of all {recipe["contour_width"]} channels, the largest response anywhere.
Nets of a family differ in the side k of their kernels alone. These are implicit filters with {FEATURES}, sampled on
the k x k grid, so the number of parameters is the same ({_parameters(rows, GLOBAL)}). Their fresh kernels spread
over much of the map. "{LOCAL_PRIOR}" has {PIXELS} instead ({_parameters(rows, LOCAL_PRIOR)} parameters):
its fresh kernels are small.

**Training.** {recipe["displaced_steps"]} and {recipe["contour_steps"]} batches of {recipe["batch_size"]} new canvases,
one-cycle learning rates up to {recipe["displaced_rate"]:g} and {recipe["contour_rate"]:g}, the same for all nets of a
family and set by exploring with another seed on test digits, with no validation split. So were the lengths of the
contours; the longest was shortened after a first partial run, to one that the global kernels learn in part.
{len(recipe["seeds"])} seeds. Accuracy is that on {recipe["test_images"]}
canvases per seed (of digits kept for the test), with BatchNorm's statistics of these canvases: after so few steps
running ones are not yet reliable. A net counts as near chance below {100 * CHANCE:g} % and as solving a task above
{100 * SOLVED:g} %.

**Kernels.** Effective size: side of the window that holds 90 % of a kernel's absolute weight; rms radius: root mean
square distance under the squared weight; medians over kernels, beside {recipe["null"]} fresh draws.
Window in use: the smallest window to which all kernels can be cut such that the net keeps half of what it gains over
chance (tried: {", ".join(str(side) for side in recipe["windows"])} px and the whole; 0 if it gains less than 10
points)."""


def _parameters(rows: Rows, net: str) -> str:
    counts = {row["family"]: row["parameters"] for row in rows if row["net"] == net and row["family"] != CONTROL}
    return ", ".join(f"{family}: {count:,}" for family, count in counts.items())


def _accuracy(rows: Rows) -> str:
    tables = []
    for families in ((CONTROL, DISPLACED), (PATHFINDER,)):
        chosen = [row for row in rows if row["family"] in families]
        reaches = sorted({row["reach"] for row in chosen})
        lines = []
        for net in dict.fromkeys(row["net"] for row in chosen):
            own = {row["reach"]: row for row in chosen if row["net"] == net}
            cells = [markdown.with_error(own[reach]["accuracy"], 100) for reach in reaches]
            lines.append([net, str(own[reaches[-1]]["field"]), *cells])
        heads = ["control" if reach == 0 else f"{reach} px" for reach in reaches]
        tables.append(markdown.table([f"{families[-1]}: accuracy, %", "field of view, px", *heads], lines))
    note = "Mean ± standard error over the seeds. The field of view is that of the convolution whose kernels differ."
    return "\n\n".join([*tables, note, "![reach](reach.png)"])


def _kernels(data: Mapping[str, Any]) -> str:
    rows = [row for row in data["rows"] if IN_USE in row["runs"][0]]
    lines = []
    for row in rows:
        runs = row["runs"]
        sizes, radii = ([run[name] for run in runs] for name in ("size90", "rms_radius"))
        lines.append(
            [
                row["name"],
                markdown.with_error(spread([one["value"] for one in sizes])),
                f"{mean(one['mean'] for one in sizes):.1f}",
                markdown.with_error(spread([one["value"] for one in radii]), digits=2),
                f"{mean(one['mean'] for one in radii):.2f}",
                markdown.with_error(spread([run[IN_USE] for run in runs])),
            ]
        )
    header = ["task: net", "effective size, px", "fresh", "rms radius, px", "fresh", "window in use, px"]
    return markdown.table(header, lines)


def _contrasts(data: Mapping[str, Any]) -> str:
    accuracy = [one for one in data["contrasts"] if one["claim"] in _OF_ACCURACY]
    pixels = [one for one in data["contrasts"] if one["claim"] not in _OF_ACCURACY]
    return "\n\n".join(
        [
            markdown.contrasts({"contrasts": accuracy}, "accuracy, points", 100),
            markdown.contrasts({"contrasts": pixels}, "pixels; slopes: pixels per pixel", digits=2),
        ]
    )


def _limits(data: Mapping[str, Any]) -> str:
    recipe = data["settings"]
    open_claims = [one["claim"] for one in data["claims"] if one["verdict"].startswith("not decidable")]
    undecided = f" Undecided here: {len(open_claims)} of {len(CLAIMS)} claims." if open_claims else ""
    return f"""\
- Seeds: {len(recipe["seeds"])} are few for a t-test; small effects on the kernels need more.{undecided}
- Training: minutes in all. Longer training could let small kernels that can see part of a contour catch up, and gives
  kernels time to lose what the task does not use. Nothing but weight decay asks them to.
- Depth: a single spatial convolution makes the field of view a matter of one kernel. Deep nets of small kernels reach
  as far, and need not grow them.
- {PATHFINDER}: no distractors, almost straight contours, {recipe["contour_canvas"]} pixels. The canvas wraps around,
  as the kernels do. At 64 pixels and more, with distractors, the task may need more than one long look.
- Effective size and radius weigh all taps, used or not; the window in use depends on the threshold of one half."""
