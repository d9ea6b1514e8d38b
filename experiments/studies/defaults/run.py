"""Which implicit filter learns displaced digits? The frequency net of the quickstart with other filters."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from lightning.pytorch import seed_everything

from experiments.nets.separable import frequency_net, parameters
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep
from experiments.study.training import train_and_test
from experiments.tasks.batches import FreshBatches
from experiments.tasks.displaced import DISPLACEMENTS, displaced_digits
from nifconv import FourierFeatures, ImplicitFilter
from nifconv.filters import FilterFactory

FOURIER = FourierFeatures(reach=24)
VARIANTS: Mapping[str, FilterFactory] = {
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
class Config:
    """How each net is trained; `experiments.quickstart.run` explains the names."""

    seeds: tuple[int, ...] = (0, 1)
    epochs: int = 5
    steps: int = 50
    batch_size: int = 32
    learning_rate: float = 0.02
    test_batches: int = 16
    width: int = 24
    depth: int = 1


SMOKE = Config(seeds=(0,), epochs=1, steps=1, batch_size=8, test_batches=1, width=4)
"""The same code path in seconds; the accuracies mean nothing."""


def measure(config: Config, ledger: Ledger) -> Result:
    """One row for each filter."""
    runs = Sweep(tuple(VARIANTS), config.seeds, partial(_run, config)).runs(ledger)
    return {"classes": len(DISPLACEMENTS), "rows": [_row(name, found) for name, found in runs.items()]}


def _row(name: str, runs: list[Result]) -> Result:
    return {
        "filter": name,
        "parameters": runs[0]["parameters"],
        "accuracy": statistics.mean(run["accuracy"] for run in runs),
        "seconds": statistics.mean(run["seconds"] for run in runs),
        "runs": runs,
    }


def _run(config: Config, name: str, seed: int) -> Result:
    seed_everything(seed, verbose=False)
    classes = len(DISPLACEMENTS)
    net = frequency_net(config.width, VARIANTS[name], classes=classes, depth=config.depth)
    train_task, test_task = displaced_digits()
    # The test has its own digits and its own canvases.
    test_seed = int(torch.iinfo(torch.int32).max) - seed
    outcome = train_and_test(
        net,
        FreshBatches(train_task, config.steps, config.batch_size, seed),
        FreshBatches(test_task, config.test_batches, config.batch_size, test_seed),
        classes=classes,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
    )
    return {"accuracy": outcome.accuracy, "parameters": parameters(net)}
