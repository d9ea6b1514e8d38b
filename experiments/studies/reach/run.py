"""Do kernels grow where a task needs reach, and only there?

The same nets, with kernels of several sizes given by equal numbers of parameters, on tasks that ask for more and more
reach: displaced digits with growing displacement, and Pathfinder with growing contours.
"""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import parameters
from experiments.studies.reach.config import Config
from experiments.studies.reach.cut import accuracy, cut, window_in_use
from experiments.studies.reach.tasks import CLASSES, PATHFINDER, Task, draws, needed_window, tasks
from experiments.studies.reach.variants import Variant, variants
from experiments.study.judge import spread
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep
from experiments.study.training import train_and_test
from experiments.tasks.batches import Batch, Batches
from nifconv import FrequencyConv2d, footprint

MEASURES = ("size90", "rms_radius")
"""Of `footprint.MEASURES`."""
# Keeps the test canvases apart from the training canvases of the same seed.
_TEST_STREAM = 1_000_003


def measure(config: Config, ledger: Ledger) -> Result:
    """What results.json holds besides settings and verdicts."""
    every = [variant for task in tasks(config) for variant in variants(task, config.kernel_sizes)]
    runs = Sweep(every, config.seeds, partial(train, config), key="{variant.name}, seed {seed}").runs(ledger)
    return {"rows": [_row(config, variant, found) for variant, found in runs.items()]}


def train(config: Config, variant: Variant, seed: int) -> Result:
    """One net trained, tested and measured."""
    task = variant.task
    steps, rate = (
        (config.contour_steps, config.contour_rate)
        if task.family == PATHFINDER
        else (config.displaced_steps, config.displaced_rate)
    )
    images, labels = _canvases(task, steps * config.batch_size, seed, 0)
    test = _canvases(task, config.test_images, seed + _TEST_STREAM, 1)
    seed_everything(seed, verbose=False)
    net = variant.build(config)
    train_and_test(
        net,
        Batches(images, labels, config.batch_size, seed),
        Batches(*test, config.test_images),
        classes=CLASSES,
        epochs=1,
        learning_rate=rate,
    )
    found: Result = {"accuracy": accuracy(net, *test)}
    if variant.kernel_size is None:
        found |= _kernels(config, task, net, seed)
        found |= _cuts(config, net, test)
    return found


@lru_cache(maxsize=4)
def _canvases(task: Task, count: int, seed: int, part: int) -> Batch:
    return draws(task)[part](count, torch.Generator().manual_seed(seed))


def _kernels(config: Config, task: Task, net: nn.Module, seed: int) -> dict[str, dict[str, float]]:
    """Each measure: median over the trained kernels, and its mean over re-initialised copies."""
    survey = footprint.survey(net, torch.zeros(1, 1, task.size, task.size), null=config.null, seed=seed)
    (layer,) = (layer for layer in survey.layers if layer.kind == FrequencyConv2d.__name__)
    measured = layer.to_dict()["null"]
    return {name: {part: measured[name][part] for part in ("value", "mean")} for name in MEASURES}


def _cuts(config: Config, net: nn.Module, test: Batch) -> Result:
    images, labels = (part[: config.cut_images] for part in test)
    whole = accuracy(net, images, labels)
    found = []
    for side in config.windows:
        with cut(net, side):
            found.append(accuracy(net, images, labels))
    return {"cuts": found, "in_use": window_in_use(config.windows, found, images.shape[-1], whole, 1 / CLASSES)}


def _row(config: Config, variant: Variant, runs: list[Result]) -> Result:
    task = variant.task
    return {
        "name": variant.name,
        "family": task.family,
        "reach": task.reach,
        "size": task.size,
        "needed_window": needed_window(task),
        "net": variant.net,
        "field": variant.field,
        "parameters": parameters(variant.build(config)),
        "accuracy": spread([run["accuracy"] for run in runs]),
        "runs": runs,
    }
