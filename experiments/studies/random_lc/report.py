"""The report, written from the content of results.json alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from experiments.studies.random_lc import variants
from experiments.studies.random_lc.variants import (
    ENVELOPE_WIDTH,
    FEATURES,
    FREQUENCY,
    FROZEN_PLAIN,
    PLAIN,
    SMALLEST,
    WIDTH,
    Variant,
)
from experiments.study import markdown
from experiments.study.markdown import percent, table, with_error
from experiments.study.statistics import spread
from experiments.tasks.handwritten import CLASSES, SIDE

Data = Mapping[str, Any]
Row = Mapping[str, Any]
_QUESTION = """\
Gavrikov & Keuper 2023 report that a net with a 1x1 convolution after each spatial one learns nearly as well with
frozen random 3x3 filters as with learned ones (R1), gets better the more random filters there are (R2), loses more with
larger random kernels, which are flat where learned ones are centred (R3), and is more robust (R5). Is it so here? Do
random filters that know where their centre is, frozen *frequency* filters and random taps under a Gaussian, close
the gap? What is left at equal numbers of learnable parameters (R4), and if all layers share one bank (R6)?"""


def to_markdown(data: Data) -> str:
    """The content of REPORT.md."""
    sections = {
        "Question": _QUESTION,
        "Method": _method(data),
        "Verdict": markdown.verdicts(data),
        "R1 and R2: frozen against learned, with more and more filters": _expansion(data),
        "R3: larger kernels": _sizes(data),
        "R4: as many learnable parameters": _parameters(data),
        "R5: attacks, and BatchNorm and ReLU inside the block": _robustness(data),
        "R6: one bank of filters": _bank(data),
        "Why frequency filters differ from taps": _ladder(data),
        "What would change the verdict": _limits(data),
    }
    return markdown.report(
        "Frozen random filters behind a 1x1 convolution", sections, "python -m experiments.studies.random_lc"
    )


def _method(data: Data) -> str:
    recipe, pools = data["settings"], data["pools"]
    seeds = ", ".join(map(str, recipe["tuning_seeds"]))
    rates = ", ".join(f"{rate:g}" for rate in recipe["learning_rates"])
    chosen = table(
        ["kind of net", *(f"rate {rate:g}" for rate in recipe["learning_rates"]), "chosen"],
        [
            [one["net"], *(percent(trial["accuracy"]) for trial in one["trials"]), f"{one['learning_rate']:g}"]
            for one in data["tuning"]
        ],
    )
    edges = min(recipe["learning_rates"]), max(recipe["learning_rates"])
    edge = [one["net"] for one in data["tuning"] if one["learning_rate"] in edges]
    at_edge = f"At the edge of the rates tried: {'; '.join(edge)}." if edge else "None is at the edge of those tried."
    return f"""\
ResNet-LC-8-{WIDTH} (`experiments/nets/resnet_lc.py`), every convolution of it an LC block: E dense spatial filters
for each output channel, then 1x1. *Taps* are independent and uniform (`SpatialFilter`), on maps padded by zeros; *under
a Gaussian*, they are multiplied by one of standard deviation {ENVELOPE_WIDTH:g} pixels (`Envelope`), whose width is
learned where the taps are. *Frequency* kernels are as large as the map, which wraps around, and given by
`ImplicitFilter`. Frozen nets draw the same filters from a seed and never train them. "Plain" nets have 3x3 convolutions
and no 1x1; if frozen, only BatchNorm and the linear layer learn.

Data: scikit-learn's handwritten digits, enlarged to {SIDE}x{SIDE}, {CLASSES} classes; {recipe["train_images"]} training
images drawn from a pool of {pools["train"]} for each of {len(recipe["seeds"])} seeds, {pools["validation"]} images for
validation, {pools["test"]} for the test; the three are disjoint. Training: {recipe["epochs"]} epochs, batches of
{recipe["batch_size"]}, AdamW, one-cycle rate, no augmentation. A seed sets training images, their order, initial
weights and frozen filters, so rows are compared seed by seed.

Learning rates ({rates}) are chosen by validation with training images and weights of other seeds ({seeds}), for
each kind of net by itself. The nets of R4 take that of the net they are a wider or narrower one of, those of R6 and
with BN+ReLU that of the LC net of the same filters and E, and nets with 7x7 frequency filters that of global ones; 7x7
taps on maps that wrap around take that of padded ones. Accuracy on validation, %:

{chosen}

{at_edge}"""


def _expansion(data: Data) -> str:
    grid = _grid(data, lambda family: family in (SMALLEST, FREQUENCY))
    figure = "![Test accuracy against E for frozen and learned filters of each kind](accuracy.png)"
    return "\n\n".join([_rows(data, [PLAIN, FROZEN_PLAIN, *grid]), figure, _contrasts(data, "R1", "R2")])


def _sizes(data: Data) -> str:
    note = "The share of a kernel's energy in its middle 3x3 is the mean over kernels and layers, after training."
    rows = _rows(data, _grid(data, lambda family: family != FREQUENCY), energy=True)
    figure = "![Gap between learned and frozen filters against the size of the kernel](gap.png)"
    return "\n\n".join([note, rows, figure, _contrasts(data, "R3")])


def _parameters(data: Data) -> str:
    note = "Widths are chosen such that the learnable parameters come closest to those of the frozen net."
    expansions = data["settings"]["expansions"]
    frozen = [Variant(SMALLEST, False, e) for e in expansions] + [Variant(FREQUENCY, False, expansions[-1])]
    return "\n\n".join([note, _rows(data, [*frozen, *variants.matched(expansions)]), _contrasts(data, "R4")])


def _robustness(data: Data) -> str:
    recipe = data["settings"]
    attacked = [row for row in data["rows"] if "attacked" in row["runs"][0]]
    attacks = list(attacked[0]["runs"][0]["attacked"])
    header = ["net", "accuracy, %"] + [f"{name} {e}/255" for name in attacks for e in recipe["epsilons"]]
    rows = []
    for row in attacked:
        cells = [row["name"], _percent_of(row, attacks[0], 0)]
        cells += [_percent_of(row, name, place) for name in attacks for place in range(1, len(recipe["epsilons"]) + 1)]
        rows.append(cells)
    how = (
        f"On the first {recipe['attacked_images']} test images, without attack and under it (mean ± standard error). "
        f"PGD takes {recipe['attack_steps']} steps from the image itself. Both see the pixels, before normalisation. "
        "The published comparison is at E from 64 on; here it is at the largest E."
    )
    figure = "![Accuracy under FGSM and PGD against the change of a pixel](robustness.png)"
    inside = variants.activated(recipe["studied"])
    blocks = _rows(data, [one for variant in inside for one in (replace(variant, activated=False), variant)])
    return "\n\n".join([how, table(header, rows), figure, blocks, _contrasts(data, "R5")])


def _bank(data: Data) -> str:
    note = (
        "A layer takes as many kernels as it needs, from the first on, and rescales them; a bank is as large as the "
        "largest layer. All are frozen."
    )
    shared = variants.shared(data["settings"]["expansions"], data["settings"]["studied"])
    rows = [one for bank in shared for one in (replace(bank, shared=False), bank)]
    return "\n\n".join([note, _rows(data, rows), _contrasts(data, "R6")])


def _ladder(data: Data) -> str:
    note = (
        "Global frequency filters differ from padded taps in size, boundary and parameterisation. Between them stand "
        'frequency filters of 7x7 pixels, "wrapped" (on maps that wrap around, as global ones do) and padded by zeros; '
        f"the same with {FEATURES} features of the MLP to combine kernels from; and 7x7 taps on maps that wrap around."
    )
    rows = variants.ladder(data["settings"]["studied"])
    return "\n\n".join([note, _rows(data, rows), _contrasts(data, "boundary", "parameters", "features")])


def _limits(data: Data) -> str:
    recipe = data["settings"]
    return f"""\
- Seeds: {len(recipe["seeds"])} decide large differences only. The claims were judged once before, after the first
  {recipe["first_seeds"]}; the others were added because much was open.
- Training: {recipe["epochs"]} epochs on {recipe["train_images"]} images show how fast a net learns as much as what it
  could learn. The paper trains far longer, on CIFAR-10, with its depth and width and E up to 128; that experiment could
  confirm or refute each line.
- Maps: the last stage runs at 4x4, where the outer taps of a large kernel see padding alone. Larger images would make
  large kernels matter more.
- Rates: chosen from {len(recipe["learning_rates"])}, on few validation images.
- Attacks: white-box and without restarts. A stronger attack can only lower the accuracies; that frozen and learned
  filters change order under it is not excluded."""


def _grid(data: Data, shown: Callable[[str], bool]) -> list[Variant]:
    settings = data["settings"]
    return [one for one in variants.grid(settings["sizes"], settings["expansions"]) if shown(one.family)]


def _rows(data: Data, chosen: Iterable[Variant], *, energy: bool = False) -> str:
    by_name = {row["name"]: row for row in data["rows"]}
    header = ["net", "width", "accuracy, %", "learnable", "frozen"]
    return table(
        [*header, "energy in 3x3, %"] if energy else header,
        [
            [
                row["name"],
                str(row["width"]),
                with_error(row, 100),
                f"{row['parameters']['learnable']:,}",
                f"{row['parameters']['frozen']:,}",
                *([_energy(row)] if energy else []),
            ]
            for row in (by_name[variant.name] for variant in chosen)
        ],
    )


def _energy(row: Row) -> str:
    return with_error(spread([run["centre"] for run in row["runs"]]), 100)


def _percent_of(row: Row, attack: str, place: int) -> str:
    return with_error(spread([run["attacked"][attack][place] for run in row["runs"]]), 100)


def _contrasts(data: Data, *claims: str) -> str:
    """The contrasts of the claims whose keys begin so."""
    chosen = [one for one in data["contrasts"] if one["claim"].startswith(claims)]
    return markdown.contrasts({"contrasts": chosen}, "points", 100)
