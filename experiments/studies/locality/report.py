"""The report, written from the content of results.json alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.studies.locality.verdict import NONE, PROFILES
from experiments.study import markdown
from experiments.study.markdown import percent, with_error

Data = Mapping[str, Any]

_QUESTION = """\
Schneider 2020 reports that the learned filters of CNNs are heavier at the centre than at the rim, that L2 decay, which
treats all weights alike, ignores this, and that a penalty which grows with the distance from the centre gives higher
accuracy. Is it so in a small net on few images, does the opposite penalty lose, and does the gain grow with the
kernel?"""


def to_markdown(data: Data) -> str:
    """The content of REPORT.md."""
    sections = {
        "Question": _QUESTION,
        "Method": _method(data),
        "Result": "\n\n".join((_accuracies(data), _centres(data))),
        "Verdict": f"{markdown.verdicts(data)}\n\n{markdown.contrasts(data, 'points', 100)}",
        "What would change the verdict": _limits(data),
    }
    title = "Does a penalty that grows with distance from the centre help?"
    return markdown.report(title, sections, "python -m experiments.studies.locality")


def at_the_edge(data: Data) -> list[str]:
    """What was chosen as the smallest or the largest of those tried, in words."""
    tried = {key: data["settings"][f"{key}s"] for key in ("learning_rate", "strength")}
    rows = [row for row in data["rows"] if row["profile"] != NONE]
    strengths = [f"the strength of {row['name']}" for row in rows if _extreme(row["strength"], tried["strength"])]
    rates = {row["kernel_size"]: row["learning_rate"] for row in rows}
    return [
        *(f"the learning rate of k={k}" for k, rate in rates.items() if _extreme(rate, tried["learning_rate"])),
        *strengths,
    ]


def _extreme(value: float, tried: Sequence[float]) -> bool:
    return value in (min(tried), max(tried))


def _method(data: Data) -> str:
    recipe, sizes = data["settings"], data["data"]
    kernels = ", ".join(f"{one['kernel_size']} ({one['parameters']:,} parameters)" for one in data["kernels"])
    windows = ", ".join(
        f"{one['centre_side']}x{one['centre_side']} of {one['kernel_size']}x{one['kernel_size']}, "
        f"{percent(one['flat_share'])} % of the taps"
        for one in data["kernels"]
    )
    strengths = ", ".join(f"{strength:g}" for strength in recipe["strengths"])
    rates = ", ".join(f"{rate:g}" for rate in recipe["learning_rates"])
    return f"""\
**Net.** Four dense `nn.Conv2d` with {recipe["width"]} channels, each followed by BatchNorm and ReLU, max pooling after
the first, global average pooling, a linear layer; maps are padded by zeros. All kernels of a net have one side k:
{kernels}.

**Data.** scikit-learn's handwritten digits enlarged to {sizes["side"]}x{sizes["side"]}, {sizes["classes"]} classes;
{recipe["train_images"]} training images drawn from a pool of {sizes["train_pool"]} for each of {len(recipe["seeds"])}
seeds, {sizes["test_images"]} test images, {sizes["validation_images"]} for validation; the three are disjoint. A seed
sets training images, their order and the initial weights, so rows are compared seed by seed.

**Penalties.** `nifconv.locality_penalty` on the weights of all four convolutions is added to the loss: the squared
weights times r^2 (quadratic), r (linear), 1 (uniform, which is L2) or r_max^2 - r^2 (inverted), r being the distance
from the centre. Each profile is divided by its mean over the window, so that a strength means the same for all of them
and for all k. AdamW's own decay, which acts outside of the loss and would come on top of all of them, is zero; so
"uniform" is L2 in the loss, whose gradient Adam rescales like that of the other profiles.

**Training and tuning.** {recipe["epochs"]} epochs, batches of {recipe["batch_size"]}, one-cycle rate, no augmentation.
For each k the learning rate is the one of {rates} that validates best without penalty, and for each k and profile the
strength is chosen from the same {len(recipe["strengths"])} ({strengths}), by the mean validation accuracy of
{len(recipe["tuning_seeds"])} other seeds. Test images have no part in it.

**Centre share.** The share of the squared weight within the window about half as wide as the kernel: {windows}.

Each convolution is followed by BatchNorm, so its output does not depend on the scale of its weights. A uniform penalty
then changes nothing but that scale, and with it the effective learning rate: it is a learning-rate schedule more than
a prior. The other profiles also change the shape of the kernels, and the difference from uniform is about shape."""


def _accuracies(data: Data) -> str:
    rows = [
        [
            f"{row['kernel_size']}",
            row["profile"],
            f"{row['learning_rate']:g}",
            "-" if row["profile"] == NONE else f"{row['strength']:g}",
            with_error(row["accuracy"], 100),
            percent(row["accuracy"]["deviation"]),
            percent(statistics.mean(row["centre"]["trained"])),
        ]
        for row in data["rows"]
    ]
    header = ["k", "penalty", "learning rate", "strength", "accuracy, % ± standard error", "std. dev."]
    table = markdown.table([*header, "centre share, %"], rows, numbers_from=2)
    edge = at_the_edge(data)
    note = (
        f"At the edge of what was tried: {'; '.join(edge)}. Below the smallest strength there is little but the row "
        '"none".'
        if edge
        else "Nothing was chosen at the edge of what was tried."
    )
    figures = (
        "![Test accuracy by kernel size and penalty](accuracy.png)\n\n"
        "![Validation accuracy against strength for each kernel size](tuning.png)"
    )
    return f"Centre shares are means over layers and seeds.\n\n{table}\n\n{note}\n\n{figures}"


def _centres(data: Data) -> str:
    rows = [row for row in data["rows"] if row["profile"] == NONE]
    flat = {one["kernel_size"]: one["flat_share"] for one in data["kernels"]}
    lines = [
        [f"{row['kernel_size']}", f"{layer}", percent(flat[row["kernel_size"]]), *_shares(row, layer - 1)]
        for row in rows
        for layer in range(1, len(row["centre_by_layer"]["trained"]) + 1)
    ]
    header = ["k", "layer", "flat kernel", "initial", "trained"]
    largest = max(data["settings"]["kernel_sizes"])
    return f"""\
Centre share of the nets without penalty by layer, % ± standard error:

{markdown.table(header, lines)}

![Mean squared weight against distance from the centre](kernels.png)

The figure is of the {largest}x{largest} kernels, mean over layers and seeds; a flat kernel scores 1 everywhere."""


def _gains_over_none(data: Data) -> dict[str, float]:
    """For each profile, its largest gain in test accuracy over kernel sizes."""
    means = {(row["kernel_size"], row["profile"]): row["accuracy"]["mean"] for row in data["rows"]}
    sizes = data["settings"]["kernel_sizes"]
    return {profile: max(means[k, profile] - means[k, NONE] for k in sizes) for profile in PROFILES}


def _shares(row: Data, layer: int) -> Sequence[str]:
    return [with_error(row["centre_by_layer"][state][layer], 100) for state in ("initial", "trained")]


def _limits(data: Data) -> str:
    recipe = data["settings"]
    gains = _gains_over_none(data)
    return f"""\
- Need: over no penalty, the uniform one gains {100 * gains["uniform"]:+.1f} points at most (over kernel sizes), and
  the best {100 * max(gains.values()):+.1f}. Where L2 gains little there is little for another profile to gain; a task
  on which it gains more would tell more.
- Images: a digit is as large as its map, and enlarged from 8x8, so neighbouring pixels are alike over several taps and
  what is far from a pixel still belongs to the same object. Photographs, whose correlations fall off with distance
  within objects that fill a part of the image, are what the claim is about.
- Training: {recipe["epochs"]} epochs on {recipe["train_images"]} images move kernels little from where they start;
  the initial draw, which is flat, is still part of what is called learned. Longer training with decay would remove it.
- BatchNorm and Adam: without BatchNorm, or with SGD, L2 acts otherwise, and the uniform arm may gain or lose by it.
- Tuning: {len(recipe["tuning_seeds"])} seeds choose among {len(recipe["strengths"])} strengths, and where these differ
  by less than the standard error of a trial, by chance. More of both would sharpen all contrasts, and so would more
  than {len(recipe["seeds"])} final seeds.
- Kernels as large as the map, that is global frequency filters, are not part of it. On maps that wrap around, shifting
  a channel's kernels and shifting back those that read it gives the same net (but for the pooling), so that nothing
  distinguishes the centre except the penalty."""
