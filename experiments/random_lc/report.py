"""The report, written from the content of results.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.random_lc.run import FREQUENCY, PLAIN, WIDE

_QUESTION = """\
Gavrikov & Keuper 2023 report that a net with a 1x1 convolution after each spatial one learns nearly as well with
frozen random 3x3 filters as with learned ones, that it gets better the more random filters there are, and that large
random kernels do worse because they are not concentrated at the centre as learned ones are. Is it so for frozen
*frequency* filters (an implicit filter drawn once, as large as the map), and do they beat large random taps?"""


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md."""
    sections = [
        "# Frozen random filters behind a 1x1 convolution",
        "## Question",
        _QUESTION,
        "## Method",
        _method(data),
        "## Result",
        _table(data["rows"]),
        "![Test accuracy against E for frozen and learned filters of each kind](accuracy.png)",
        _table_notes(data),
        "## Verdict",
        _verdicts(data),
        _contrasts(data),
        "## What would change the verdict",
        _limits(data),
        "Run it: `python -m experiments.random_lc`. Write report and figure again from results.json: `--redraw`.",
    ]
    return "\n\n".join(sections) + "\n"


def percent(share: float) -> str:
    """A share from 0 to 1 in %, as the report prints it."""
    return f"{100 * share:.1f}"


def points(share: float) -> str:
    """A difference of shares, in percentage points and with its sign."""
    return f"{100 * share:+.1f}"


def _method(data: Mapping[str, Any]) -> str:
    recipe = data["settings"]
    trials = ", ".join(f"{percent(one['accuracy'])} % at {one['learning_rate']}" for one in data["tuning"])
    seeds = len(recipe["seeds"])
    return f"""\
ResNet-LC-{recipe["depth"]}-{recipe["width"]} (`experiments/common/resnet_lc.py`), every convolution of it an LC block:
E dense spatial filters for each output channel, then 1x1. The *frequency* kernels are as large as the map (which wraps
around) and given by `ImplicitFilter`; *taps* are independent, uniform (`SpatialFilter`), on maps padded by zeros.
Frozen nets draw the same filters from a seed and never train them. "{PLAIN}" has no LC blocks; "{WIDE}" is the same
net, widened to as many learnable parameters as the frozen frequency net of the largest E.

Data: scikit-learn's handwritten digits enlarged to {recipe["side"]}x{recipe["side"]}, {recipe["classes"]} classes;
{recipe["train_images"]} training images drawn from a pool of {recipe["train_pool"]} for each of {seeds} seeds,
{recipe["test_images"]} test images, {recipe["validation_images"]} for validation; the three are disjoint. Training:
{recipe["epochs"]} epochs, batches of {recipe["batch_size"]}, AdamW, one-cycle rate, no augmentation. The learning rate
was chosen by validation of the *learned* frequency net at E={recipe["tuning_expansion"]} with other seeds
({trials}), and {recipe["learning_rate"]} is used for all. A seed sets training images, their order, initial weights and
frozen filters, so rows are compared seed by seed."""


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| net | accuracy, % | std. dev. | std. error | by seed | learnable | frozen | spatial | pointwise | seconds |",
        "|---|---:|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        count = row["parameters"]
        cells = [row["name"], percent(row["mean"]), percent(row["deviation"]), percent(row["error"])]
        cells.append(", ".join(percent(run["accuracy"]) for run in row["runs"]))
        cells += [f"{count[name]:,}" for name in ("learnable", "frozen", "spatial", "pointwise")]
        cells.append(f"{row['seconds']:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _table_notes(data: Mapping[str, Any]) -> str:
    width = next(row["width"] for row in data["rows"] if row["name"] == WIDE)
    return (
        f'"{WIDE}" has width {width}. Parameters are those of the whole net; seconds are of training one net, mean '
        "over seeds, and depend on what else the processor does."
    )


def _verdicts(data: Mapping[str, Any]) -> str:
    lines = [f"- {claim['text']}: **{claim['verdict']}**." for claim in data["claims"]]
    return "\n".join(lines)


def _contrasts(data: Mapping[str, Any]) -> str:
    decisive, margin = data["decisive"], 100 * data["margin"]
    larger = sum(one["exceeds_error"] for one in data["contrasts"])
    lines = [
        f"A contrast is decided if it is more than {decisive:g} standard errors from its limit, which is "
        f"{margin:g} points for the first claim and zero for the others. A claim with several contrasts is supported "
        "if all of them support it, and not supported if one is decided against it. "
        f"{larger} of {len(data['contrasts'])} contrasts exceed their standard error.",
        "",
        "| contrast (points) | mean | std. error | exceeds it | verdict |",
        "|---|---:|---:|---|---|",
    ]
    for one in data["contrasts"]:
        exceeds = "yes" if one["exceeds_error"] else "no"
        cells = (one["label"], points(one["mean"]), f"{100 * one['error']:.1f}", exceeds, one["verdict"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _limits(data: Mapping[str, Any]) -> str:
    recipe = data["settings"]
    rates = [trial["learning_rate"] for trial in data["tuning"]]
    edge = " It is at the edge of those tried." if recipe["learning_rate"] in (min(rates), max(rates)) else ""
    return f"""\
- Seeds: with {len(recipe["seeds"])}, a standard error is itself uncertain; a contrast of a few standard errors may not
  survive more.
- Training: {recipe["epochs"]} epochs on {recipe["train_images"]} images show how fast a net learns as much as what it
  could learn, and one learning rate, chosen for the learned frequency net, may suit the others less.{edge} The
  paper trains far longer, on CIFAR-10, with its depth and width; that experiment could confirm or refute it.
- Boundary and initialisation: {FREQUENCY} kernels wrap around and start smooth, taps are padded by zeros and start
  white; a difference between the families may come from either.
- Parameters: a frozen net has more learnable 1x1 weights at larger E, and so has the learned one. "{WIDE}" controls for
  their number, not for their place."""
