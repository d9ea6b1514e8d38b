"""Which implicit filter learns displaced digits? The frequency net of the quickstart with other filter settings."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning.pytorch import seed_everything

from experiments.common.data.batches import FreshBatches
from experiments.common.data.displaced import DISPLACEMENTS, displaced_digits
from experiments.common.nets import frequency_net, parameters
from experiments.common.results import environment
from experiments.common.training import train_and_test
from nifconv import FourierFeatures, ImplicitFilter
from nifconv.filters.factory import FilterFactory

FOURIER = FourierFeatures(reach=24)
FILTERS: Mapping[str, FilterFactory] = {
    "pixel coordinates, hidden (8, 4)": partial(ImplicitFilter, hidden=(8, 4)),
    "pixel coordinates, hidden (16, 16)": partial(ImplicitFilter, hidden=(16, 16)),
    "pixel coordinates, hidden (32, 32)": partial(ImplicitFilter, hidden=(32, 32)),
    "image coordinates, two trunks, hidden (8, 4)": partial(
        ImplicitFilter, hidden=(8, 4), coordinates="image", shared_trunk=False
    ),
    "Fourier features of reach 24, hidden (8, 4)": partial(ImplicitFilter, hidden=(8, 4), encoding=FOURIER),
    "Fourier features of reach 24, hidden (16, 16)": partial(ImplicitFilter, hidden=(16, 16), encoding=FOURIER),
}


@dataclass(frozen=True)
class Recipe:
    """How each net is trained; see `experiments.quickstart.run.Settings` for the names."""

    seeds: tuple[int, ...] = (0, 1)
    epochs: int = 5
    steps: int = 50
    batch_size: int = 32
    learning_rate: float = 0.02
    test_batches: int = 16
    width: int = 24
    depth: int = 1


SMOKE = Recipe(seeds=(0,), epochs=1, steps=1, batch_size=8, test_batches=1, width=4)
"""The same code path in seconds; the accuracies mean nothing."""


def run_all(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """One row for each filter, as soon as it is there."""
    for name, factory in FILTERS.items():
        runs = [_run(factory, recipe, seed) for seed in recipe.seeds]
        yield {
            "filter": name,
            "parameters": runs[0]["parameters"],
            "accuracy": statistics.mean(run["accuracy"] for run in runs),
            "seconds": statistics.mean(run["seconds"] for run in runs),
            "runs": runs,
        }


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md, with all its numbers from the content of results.json."""
    recipe = data["settings"]
    seeds: Sequence[int] = recipe["seeds"]
    lines = [
        "# Which implicit filter learns displaced digits?",
        "",
        "The task and the frequency net of the quickstart (one layer of global kernels), with other implicit filters.",
        f"{recipe['epochs']} epochs of {recipe['steps']} batches of {recipe['batch_size']} fresh canvases, AdamW with "
        f"a one-cycle peak of {recipe['learning_rate']}, {len(seeds)} seeds, "
        f"{recipe['test_batches'] * recipe['batch_size']} test canvases. Chance is {percent(1 / recipe['classes'])} %.",
        "",
        "| filter | parameters of the net | accuracy, % (mean) | by seed | seconds of training (mean) |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in data["rows"]:
        by_seed = ", ".join(percent(run["accuracy"]) for run in row["runs"])
        cells = (row["filter"], f"{row['parameters']:,}", percent(row["accuracy"]), by_seed, f"{row['seconds']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "The seconds depend on what else the processor does. Run it: `python -m experiments.defaults`.", ""]
    return "\n".join(lines)


def percent(share: float) -> str:
    """A share from 0 to 1 in %, as the report prints it."""
    return f"{100 * share:.1f}"


def settings(recipe: Recipe) -> dict[str, Any]:
    """What the rows depend on."""
    return {**vars(recipe), "seeds": list(recipe.seeds), "classes": len(DISPLACEMENTS), **environment()}


def _run(factory: FilterFactory, recipe: Recipe, seed: int) -> dict[str, Any]:
    seed_everything(seed, verbose=False)
    classes = len(DISPLACEMENTS)
    net = frequency_net(recipe.width, factory, classes=classes, depth=recipe.depth)
    train_task, test_task = displaced_digits()
    # The test has its own digits and its own canvases.
    test_seed = int(torch.iinfo(torch.int32).max) - seed
    outcome = train_and_test(
        net,
        FreshBatches(train_task, recipe.steps, recipe.batch_size, seed),
        FreshBatches(test_task, recipe.test_batches, recipe.batch_size, test_seed),
        classes=classes,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
    )
    return {
        "seed": seed,
        "accuracy": outcome.accuracy,
        "seconds": outcome.seconds,
        "parameters": parameters(net),
    }
