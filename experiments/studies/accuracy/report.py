"""The report, written from the content of results.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.studies.accuracy.arms import CIRCULAR, EQUAL, FAMILIES, IMAGE, PIXEL, PIXEL_LARGE, TAPS_3
from experiments.studies.accuracy.scenes import CANVAS, OBJECTS
from experiments.studies.accuracy.verdict import MARGIN
from experiments.study.markdown import contrasts, percent, report, table, verdicts, with_error

_QUESTION = """\
Grabinski, Keuper & Keuper 2024 report that frequency convolutions are about as accurate as the same separable net with
3x3 depthwise convolutions, and that their parameters do not grow with the kernel size. Is it so at equal parameters,
and at equal width? Does the boundary matter? And what happens at resolutions that the net was not trained at: are
*pixel* coordinates right where the canvas grows, and *image* coordinates where everything in it grows too?"""


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md."""
    sections = {
        "Question": _QUESTION,
        "Method": _method(data),
        "Accuracy": "\n\n".join(
            [_accuracy(data), "![Accuracy of every net, with parameters](accuracy.png)", _tuning(data)]
        ),
        "Other resolutions": "\n\n".join(
            [
                _resolutions(data, OBJECTS, "digits grow with the canvas"),
                _resolutions(
                    data, CANVAS, f"only the canvas grows, digits stay {data['settings']['scene']['digit']} px"
                ),
                "![Accuracy against the side of the canvas, both ways of growing](resolution.png)",
                _gains(data),
            ]
        ),
        "Parameters by kernel size": _counts(data),
        "Verdict": f"{verdicts(data)}\n\n{contrasts(data, 'points', 100)}",
        "What would change the verdict": _limits(data),
    }
    return report("Frequency convolutions against 3x3", sections, "python -m experiments.studies.accuracy")


def _method(data: Mapping[str, Any]) -> str:
    recipe, images = data["settings"], data["images"]
    shape, scene = recipe["shape"], recipe["scene"]
    halved = ", ".join(str(block + 1) for block in shape["halve_after"])
    return f"""\
The net: 1x1 stem, blocks (depthwise convolution, 1x1, BatchNorm, ReLU), global *maximum* pooling (a mean would change
with the blank share of a larger canvas, whatever the kernels do), linear. {shape["depth"]} blocks, 2x2 max pooling
after block {halved}, {shape["width"]} channels. Only the depthwise kernels differ. *Taps* are `nn.Conv2d`; *frequency*
kernels are as large as the map at every layer. Equal parameters: the filter of a layer,
`ImplicitFilter.with_budget(9 * channels)`, has at most those of 3x3 taps, so width and parameters are equal at once;
the net with 7x7 taps is made narrower. "Larger MLP" is the default `ImplicitFilter` in pixel coordinates, and the
published `niff_small` in image coordinates, at equal width; with `k=`, the same filter on k x k taps.
"{recipe["longer"]}x training": as many times the epochs.

Data: scikit-learn's 8x8 digits, bilinearly enlarged to {scene["digit"]} px, anywhere on a blank canvas of
{scene["canvas"]} px; {data["classes"]} classes. {recipe["train_images"]} digits to train with, drawn from a pool of
{images["train_pool"]} for each of {len(recipe["seeds"])} seeds; {images["test"]} others to test with (the first
{recipe["resolution_images"]} of them at all resolutions), {images["validation"]} for validation. Training:
{recipe["epochs"] * recipe["steps"]} batches of {recipe["batch_size"]}, each digit at a new place each time, AdamW,
one-cycle. The peak was chosen for each family of kernels from {_listed(recipe["learning_rates"])} by validation with
{len(recipe["tuning_seeds"])} other seeds on maps that wrap around; zero padding, `k=` and longer training use their
family's. A seed sets training images, places, order and initial weights; nets are compared seed by seed. The claims
were written down before these runs, after others to find settings."""


def _accuracy(data: Mapping[str, Any]) -> str:
    rows = []
    for row in data["rows"]:
        kernel = "global" if row["kernel_size"] is None else str(row["kernel_size"])
        runs = row["runs"]
        rows.append(
            [
                row["name"],
                kernel,
                str(row["width"]),
                *(f"{row['parameters'][role]:,}" for role in ("learnable", "spatial")),
                with_error(row["accuracy"], 100),
                ", ".join(percent(run["accuracy"]) for run in runs),
                f"{sum(run['seconds'] for run in runs) / len(runs):.1f}",
            ]
        )
    header = ["net (boundary)", "kernel", "width", "parameters", "in kernels", "accuracy, %", "by seed", "seconds"]
    notes = (
        "Accuracy at the trained resolution, mean ± standard error. The parameters of the nets made to have equally "
        f"many ({'; '.join(EQUAL)}) differ by at most {percent(_spread_of_counts(data['rows']))} %. Seconds are of "
        "training and all tests, and depend on what else the processor does."
    )
    return f"{table(header, rows)}\n\n{notes}"


def _spread_of_counts(rows: Sequence[Mapping[str, Any]]) -> float:
    counts = [row["parameters"]["learnable"] for row in rows if row["family"] in EQUAL]
    return max(counts) / min(counts) - 1


def _tuning(data: Mapping[str, Any]) -> str:
    rates = data["settings"]["learning_rates"]
    rows = []
    for one in data["tuning"]:
        cells = (
            f"**{percent(trial['accuracy'])}**"
            if trial["learning_rate"] == one["learning_rate"]
            else percent(trial["accuracy"])
            for trial in one["trials"]
        )
        rows.append([one["family"], *cells])
    chosen = [one["family"] for one in data["tuning"] if one["learning_rate"] in (min(rates), max(rates))]
    edge = f"At the edge of the rates tried: {'; '.join(chosen)}." if chosen else "No choice is at the edge."
    return (
        f"Validation accuracy (%) by learning rate, the chosen one bold:\n\n{_headed('family', rates, rows)}\n\n{edge}"
    )


def _resolutions(data: Mapping[str, Any], kind: str, title: str) -> str:
    rows = [
        row for row in data["rows"] if row["kernel_size"] == FAMILIES[row["family"]].kernel_size and row["longer"] == 1
    ]
    cells = [[row["name"], *(with_error(one, 100) for one in row["resolution"][kind].values())] for row in rows]
    sizes = [f"{size} px" for size in rows[0]["resolution"][kind]]
    return f"Accuracy (%) by canvas where {title}; trained at {data['settings']['scene']['canvas']} px:\n\n" + _headed(
        "net (boundary)", sizes, cells
    )


def _gains(data: Mapping[str, Any]) -> str:
    trained = str(data["settings"]["scene"]["canvas"])
    rows = []
    for row in data["rows"]:
        if row["family"] in (PIXEL, IMAGE) and row["longer"] == 1:
            rows.append(
                [row["name"], *(f"{one['mean'] / row['gain'][trained]['mean']:.2f}" for one in row["gain"].values())]
            )
            sizes = [f"{size} px" for size in row["gain"]]
    return (
        f"Gain under white input of the first layer's trained filters, over that at {trained} px (BatchNorm's "
        f"statistics are those of the trained resolution):\n\n{_headed('net (boundary)', sizes, rows)}"
    )


def _counts(data: Mapping[str, Any]) -> str:
    canvas = data["settings"]["scene"]["canvas"]
    accuracies = {row["kernel_size"]: row["accuracy"] for row in data["rows"] if row["family"] == PIXEL_LARGE}
    rows = []
    for one in data["counts"]:
        size = one["kernel_size"]
        label = f"as the map ({canvas} for taps)" if size is None else str(size)
        accuracy = with_error(accuracies[size], 100) if size in accuracies else "not trained"
        rows.append([label, f"{one['taps']:,}", f"{one['frequency']:,}", accuracy])
    same = len({one["frequency"] for one in data["counts"]}) == 1
    fact = "does not depend on the kernel size" if same else "depends on the kernel size"
    header = ["taps on a side", "net with taps", "net with the larger MLP, pixel", "its accuracy, %"]
    return (
        f"{table(header, rows)}\n\nThe number of parameters of the frequency net {fact}. This is a count, not a test."
    )


def _limits(data: Mapping[str, Any]) -> str:
    recipe = data["settings"]
    return f"""\
- Seeds: with {len(recipe["seeds"])}, a difference that is truly zero is told from {100 * MARGIN:g} point only if it
  hardly varies between seeds; more seeds, or more test images, would decide what is open here. The claims were judged
  once before, after the first {recipe["first_seeds"]} seeds; the others were added because much was open.
- Training: {recipe["epochs"] * recipe["steps"]} steps on {recipe["train_images"]} digits, so that what learns more
  slowly loses. {_longer(data)}
  The paper's nets are deeper, with residual connections, and learn natural images.
- Size of the MLP: at equal parameters on {recipe["shape"]["width"]} channels the filters' MLP is tiny. The larger MLPs
  show what that costs; wide nets have room for larger ones within the parameters of 3x3 taps.
- Resolution: nets were trained at one resolution. Training at several, or estimating BatchNorm's statistics again at
  the new one, may help any of them. Chance is {percent(1 / data["classes"], 0)} %: where two nets are close to it, they
  cannot be told apart."""


def _longer(data: Mapping[str, Any]) -> str:
    """How far frequency filters are from taps after training as long as all others, and after training for longer."""
    accuracy = {
        (row["family"], row["longer"]): row["accuracy"]["mean"]
        for row in data["rows"]
        if row["padding"] == CIRCULAR and row["kernel_size"] == FAMILIES[row["family"]].kernel_size
    }
    times = data["settings"]["longer"]
    changes = (
        f"{100 * (accuracy[family, 1] - accuracy[TAPS_3, 1]):+.1f} points becomes "
        f"{100 * (accuracy[family, times] - accuracy[TAPS_3, times]):+.1f} ({family})"
        for family, longer in accuracy
        if longer == times and family != TAPS_3
    )
    return f"With {times} times the epochs for both, the difference from 3x3 taps of {', and of '.join(changes)}."


def _headed(first: str, columns: Sequence[object], rows: Sequence[Sequence[str]]) -> str:
    return table([first, *map(str, columns)], rows)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
