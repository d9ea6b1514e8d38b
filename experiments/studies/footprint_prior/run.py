"""Are trained kernels local because training makes them so, or because they were so before?

Grabinski, Keuper & Keuper 2024 find that filters which could fill the map are local after training. Their filters are
MLPs on frequencies, smooth and therefore local from the start. Here the same net is trained with five parameterisations
of its map-sized kernels, two of which prefer no place, and surveyed before and after training beside re-initialised
copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import parameters
from experiments.studies.footprint_prior.config import Config
from experiments.studies.footprint_prior.measures import compare, mean_of, without_curves
from experiments.studies.footprint_prior.tasks import CANVAS, DECAYED, ONE, TWO, Condition, Split
from experiments.studies.footprint_prior.variants import FREE, PARAMETERISATIONS, build
from experiments.study.judge import spread
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep, Trial, best
from experiments.study.training import train_and_test
from experiments.tasks.batches import Draw, FreshBatches
from nifconv import footprint

_TEST_SEED = 1_000_000
"""Added to a run's seed: the test has its own images, the same ones for all parameterisations."""
_KEY = "{variant.variant.condition.name}, {variant.variant.parameterisation}"


@dataclass(frozen=True)
class Variant:
    """A parameterisation of the kernels under one condition."""

    condition: Condition
    parameterisation: str

    @property
    def split(self) -> Split:
        return _loaded(self.condition)

    def net(self, config: Config, seed: int) -> nn.Module:
        """An untrained net, its weights drawn from the global random state."""
        return build(self.parameterisation, config.width, self.condition.classes, seed)


VARIANTS = tuple(
    Variant(condition, name)
    for condition, names in ((ONE, PARAMETERISATIONS), (DECAYED, FREE), (TWO, PARAMETERISATIONS))
    for name in names
)
"""Every parameterisation on both tasks, and the free ones, whose initial weights are noise, under strong decay."""


def measure(config: Config, ledger: Ledger) -> Result:
    """What results.json holds besides settings and verdicts."""
    tuning: list[Result] = []
    chosen: list[Trial[Variant]] = []
    for variant in VARIANTS:
        trials = [Trial(variant, rate) for rate in config.learning_rates]
        key = f"tuning: {_KEY}, learning rate {{variant.rate}}, seed {{seed}}"
        tried = Sweep(trials, config.tuning_seeds, partial(_validate, config), key).accuracies(ledger)
        tuning += [{**_labels(trial), "accuracy": accuracy} for trial, accuracy in tried.items()]
        chosen.append(best(tried))
    runs = Sweep(chosen, config.seeds, partial(_run, config), f"{_KEY}, seed {{seed}}").runs(ledger)
    return {"tuning": tuning, "rows": [_row(config, trial, found) for trial, found in runs.items()]}


def _labels(trial: Trial[Variant]) -> Result:
    return {
        "condition": trial.variant.condition.name,
        "arm": trial.variant.parameterisation,
        "learning_rate": trial.rate,
    }


def _row(config: Config, trial: Trial[Variant], runs: list[Result]) -> Result:
    return {
        **_labels(trial),
        "parameters": parameters(trial.variant.net(config, config.seeds[0])),
        "accuracy": spread([run["accuracy"] for run in runs]),
        "layers": [mean_of(layers) for layers in zip(*(run["layers"] for run in runs), strict=True)],
        "runs": [{**run, "layers": [without_curves(layer) for layer in run["layers"]]} for run in runs],
    }


def _validate(config: Config, trial: Trial[Variant], seed: int) -> Result:
    seed_everything(seed, verbose=False)
    return {"accuracy": _train(config, trial, trial.variant.net(config, seed), trial.variant.split.validation, seed)}


def _run(config: Config, trial: Trial[Variant], seed: int) -> Result:
    """Surveys a net, trains and tests it, and surveys it again."""
    seed_everything(seed, verbose=False)
    variant = trial.variant
    net = variant.net(config, seed)
    example = torch.zeros(1, 1, CANVAS, CANVAS)
    before = footprint.survey(net, example, null=config.null, seed=seed, fresh=partial(variant.net, config, seed))
    accuracy = _train(config, trial, net, variant.split.test, seed)
    return {"accuracy": accuracy, "layers": compare(before, footprint.survey(net, example))}


def _train(config: Config, trial: Trial[Variant], net: nn.Module, test: Draw, seed: int) -> float:
    condition = trial.variant.condition
    outcome = train_and_test(
        net,
        FreshBatches(trial.variant.split.train, config.steps, config.batch_size, seed),
        FreshBatches(test, config.test_batches, config.batch_size, seed + _TEST_SEED),
        classes=condition.classes,
        epochs=config.epochs,
        learning_rate=trial.rate,
        weight_decay=condition.weight_decay,
    )
    return outcome.accuracy


@cache
def _loaded(condition: Condition) -> Split:
    return condition.split()
