"""The report, written from the content of results.json alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.studies.footprint_prior import tables
from experiments.studies.footprint_prior.arms import MAPS
from experiments.studies.footprint_prior.measures import AFTER, BEFORE, HALF, NULL, TESTED, half_window
from experiments.studies.footprint_prior.tasks import CANVAS, DECAYED, DISTANCES, ONE, TWO
from experiments.study import markdown
from experiments.study.markdown import percent

Row = Mapping[str, Any]

_QUESTION = """\
Grabinski, Keuper & Keuper 2024 report that filters which could fill the map are local after training, though larger
than 3x3. Their filters are MLPs on frequencies: smooth functions of frequency, that is local kernels, before any
training. Is locality learned, or is it the prior of the parameterisation? A free table of frequency responses and free
taps have no such prior. If locality is learned, training makes them local too."""


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md."""
    one = [row for row in data["rows"] if row["condition"] == ONE.name]
    sections = {
        "Question": _QUESTION,
        "Method": _method(data),
        "Result": "\n\n".join(
            [
                _summary(one),
                "![Mass against window side, five parameterisations by three maps](mass.png)",
                tables.overview(data["rows"]),
                "![Effective size and mass within half the map, untrained and trained, every seed](size.png)",
                _overview_note(),
            ]
        ),
        "Layer by layer": "\n\n".join([_layers_note(data, one), tables.masses(one), tables.sizes(one)]),
        "Verdict": markdown.verdicts(data) + "\n\n" + markdown.contrasts(data, "% of the mass", 100),
        "What would change the verdict": _limits(data),
    }
    command = "python -m experiments.studies.footprint_prior"
    return markdown.report("Is locality learned, or the prior?", sections, command)


def _method(data: Mapping[str, Any]) -> str:
    recipe = data["settings"]
    maps = ", ".join(str(side) for side in MAPS)
    halves = ", ".join(str(half_window(side)) for side in MAPS)
    decays = "; ".join(f"*{one.name}*, {one.weight_decay:g}" for one in (ONE, DECAYED, TWO))
    return f"""\
One net: a 1x1 stem, then on maps of {maps} px one residual block each, ReLU(x + BatchNorm(1x1(depthwise(x)))), of
width {recipe["width"]}, halved by max pooling. Every depthwise kernel is as large as its map, which wraps around. The
sum tells a kernel where its centre is: without it, a shifted one would do as well. Only the parameterisation of these
kernels differs: an MLP on *raw pixel* coordinates (the library's default), on *raw image* coordinates (integers, two
small MLPs, as published), on *Fourier features* that reach half the map, a *free table* of one complex weight for each
frequency, and *free taps*. The last two start as white noise. Their numbers of parameters differ.

Tasks, on a torus of {CANVAS}x{CANVAS} px: *one digit* of 16 px at any place, which of ten it is; and *two digits* of
8 px, {", ".join(map(str, DISTANCES))} px apart to the right or down, which of these it is. Scikit-learn's handwritten
digits, disjoint for training, validation and test, placed anew for every batch. {recipe["epochs"] * recipe["steps"]}
batches of {recipe["batch_size"]}, AdamW with a one-cycle rate, whose peak was chosen for each row among
{", ".join(f"{rate:g}" for rate in recipe["learning_rates"])} by validation with other seeds than the final
{len(recipe["seeds"])}. Weight decay: {decays}. The strong one is for free kernels: weights that no gradient moves
otherwise keep the noise they started with.

Every net is surveyed before and after training (`footprint.survey`), beside {recipe["null"]} fresh nets. A layer's
value is the median over its kernels, a net's the mean over its layers. *Mass* is absolute weight within exact centred
windows; *half the map* is the largest odd window of at most half the map's side, {halves} px. *Added by training* is
the difference of trained and untrained taps, free of the noise at the start."""


def _summary(rows: Sequence[Row]) -> str:
    fresh = {row["arm"]: tables.net(row, NULL, HALF)["mean"] for row in rows}
    moved = {row["arm"]: abs(tables.difference(row, AFTER, BEFORE, HALF)["mean"]) for row in rows}
    low, high, most = (
        min(fresh, key=fresh.__getitem__),
        max(fresh, key=fresh.__getitem__),
        max(moved, key=moved.__getitem__),
    )
    return (
        f"On one digit, fresh kernels hold between {percent(fresh[low])} % ({low}) and {percent(fresh[high])} % "
        f"({high}) of their mass within half the map. Training moves that by {percent(moved[most])} points at most "
        f"({most}, mean over seeds). {_largest_layer(rows)}"
    )


def _largest_layer(rows: Sequence[Row]) -> str:
    changes = {
        (row["arm"], layer["map"]): layer[AFTER][HALF] - layer[BEFORE][HALF] for row in rows for layer in row["layers"]
    }
    arm, side = max(changes, key=lambda place: abs(changes[place]))
    return (
        f"The layer that changes most is that of {arm} on the {side} px map, by {100 * changes[arm, side]:+.1f} points."
    )


def _overview_note() -> str:
    flat = statistics.mean(half_window(side) ** 2 / side**2 for side in MAPS)
    return (
        "Columns from *fresh* to *added by training*: % of the mass within half the map, means over layers and seeds, "
        f"differences with their standard error over seeds; a flat kernel has {percent(flat)}. *Energy*: % of the "
        "squared weight in the same window. Last two: side of the window that holds 90 % of the mass, in % of the "
        "map's side, at most 100."
    )


def _layers_note(data: Mapping[str, Any], rows: Sequence[Row]) -> str:
    untrained = [
        abs(layer["effects"][BEFORE][measure]["z"])
        for row in rows
        for run in row["runs"]
        for layer in run["layers"]
        for measure in TESTED
    ]
    return (
        f"One digit, means over seeds. *Fresh*: the mean of {data['settings']['null']} draws for each seed, and the "
        "standard deviation of one draw; *z*: how many of these the trained layer is away (untrained layers are "
        f"{statistics.mean(untrained):.1f} away on average). *Aligned*: the size after every kernel is moved to the "
        "centre of its own energy, so that a local kernel beside the centre counts as local. *Moved*: the norm of what "
        "training added over that of the untrained taps. First table: % of the mass; second: px."
    )


def _limits(data: Mapping[str, Any]) -> str:
    recipe, rows = data["settings"], data["rows"]
    rates, accuracies = recipe["learning_rates"], [row["accuracy"]["mean"] for row in rows]
    edge = sum(row["learning_rate"] in (min(rates), max(rates)) for row in rows)
    return f"""\
- Training: {recipe["epochs"] * recipe["steps"]} batches are few, and AdamW moves every weight by about the same step
  whatever its gradient, so that free weights of little use to the task are moved too. Longer training, or plain SGD,
  whose steps are in proportion to gradients, could make free kernels more local than here. The learning
  rate is at the edge of those tried in {edge} of {len(rows)} rows, and rows reach from {percent(min(accuracies))} to
  {percent(max(accuracies))} % accuracy, so that some are trained further than others.
- Data: digits enlarged from 8x8 are smooth and fill much of the map. Larger natural images, where what belongs together
  is near, may reward local kernels more; ImageNet with the recipe of the paper decides for its nets.
- Regularisation: weight decay treats near and far taps alike. A penalty that grows with distance makes any of these
  kernels local, and would be a prior again.
- The net: one map-sized kernel at each of {len(MAPS)} maps, means over layers. On the smallest map 3x3 is half its
  side, so that a window means something else in each layer; the tables list them one by one.
- Seeds: {len(recipe["seeds"])}. Contrasts within a seed are paired, but share their training images between rows."""
