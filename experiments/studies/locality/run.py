"""Are learned filters heavier at the centre, and does a penalty that grows with distance beat a uniform one?

Small nets on few handwritten digits, with kernels of several sizes and penalties of several profiles, each at the
strength that validates best.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from functools import partial

from lightning.pytorch import seed_everything

from experiments.nets.separable import parameters
from experiments.studies.locality.claims import NONE, PROFILES, accuracy_name
from experiments.studies.locality.config import Config
from experiments.studies.locality.nets import Locality, build, by_distance, centre_shares, centre_side, squared_kernels
from experiments.study.judge import spread
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep, best
from experiments.study.training import train_and_test
from experiments.tasks.batches import Batches
from experiments.tasks.handwritten import CLASSES, SIDE, Digits, digit_pools, subset

_TEST_BATCH = 500
_STATES = ("initial", "trained")


@dataclass(frozen=True)
class Variant:
    """A net and its training.

    Attributes:
        kernel_size: kernel size of all layers.
        profile: profile of the penalty, or "none".
        learning_rate, strength: chosen, or to be tried.
    """

    kernel_size: int
    profile: str
    learning_rate: float
    strength: float

    @property
    def penalty(self) -> Locality | None:
        return None if self.profile == NONE else Locality(self.profile, self.strength, self.kernel_size)


def measure(config: Config, ledger: Ledger) -> Result:
    """What results.json holds besides settings and verdicts."""
    pools = digit_pools()
    validation, test = (pool.first(config.test_images) for pool in (pools.validation, pools.test))

    def tune(variants: list[Variant]) -> dict[Variant, float]:
        validate = partial(train, config, test=validation)
        return Sweep(variants, config.tuning_seeds, validate).accuracies(ledger)

    rates: dict[Variant, float] = {}
    strengths: dict[Variant, float] = {}
    chosen: list[Variant] = []
    for k in config.kernel_sizes:
        tried = tune([Variant(k, NONE, rate, 0.0) for rate in config.learning_rates])
        unpenalised = best(tried)
        rates |= tried
        chosen.append(unpenalised)
        for profile in PROFILES:
            tried = tune([replace(unpenalised, profile=profile, strength=strength) for strength in config.strengths])
            strengths |= tried
            chosen.append(best(tried))
    runs = Sweep(chosen, config.seeds, partial(train, config, test=test)).runs(ledger)
    return {
        "data": {
            "side": SIDE,
            "classes": CLASSES,
            "train_pool": len(pools.train),
            "validation_images": len(validation),
            "test_images": len(test),
        },
        "tuning": {"learning_rates": _listed(rates), "strengths": _listed(strengths)},
        "kernels": [_kernel(config, k) for k in config.kernel_sizes],
        "rows": [_row(variant, found) for variant, found in runs.items()],
    }


def train(config: Config, variant: Variant, seed: int, test: Digits) -> Result:
    """Trains and tests one net, and measures its kernels before and after."""
    seed_everything(seed, verbose=False)
    chosen = subset(digit_pools().train, config.train_images, seed)
    net = build(variant.kernel_size, config.width)
    initial = squared_kernels(net)
    outcome = train_and_test(
        net,
        Batches(chosen.images, chosen.labels, config.batch_size, seed),
        Batches(test.images, test.labels, _TEST_BATCH),
        classes=CLASSES,
        epochs=config.epochs,
        learning_rate=variant.learning_rate,
        weight_decay=0.0,
        penalty=variant.penalty,
    )
    kernels = dict(zip(_STATES, (initial, squared_kernels(net)), strict=True))
    return {
        "accuracy": outcome.accuracy,
        "centre": {state: centre_shares(squared) for state, squared in kernels.items()},
        "by_distance": {state: by_distance(squared) for state, squared in kernels.items()},
    }


def _listed(trials: dict[Variant, float]) -> list[Result]:
    return [{**vars(variant), "accuracy": accuracy} for variant, accuracy in trials.items()]


def _row(variant: Variant, runs: list[Result]) -> Result:
    accuracies = [run["accuracy"] for run in runs]
    by_state = {
        what: {state: [run[what][state] for run in runs] for state in _STATES} for what in ("centre", "by_distance")
    }
    return {
        "name": accuracy_name(variant.kernel_size, variant.profile),
        **vars(variant),
        "accuracy": spread(accuracies),
        "accuracies": accuracies,
        "centre": {state: [statistics.mean(layers) for layers in runs] for state, runs in by_state["centre"].items()},
        "centre_by_layer": {
            state: [spread(layer) for layer in zip(*runs, strict=True)] for state, runs in by_state["centre"].items()
        },
        "by_distance": {
            state: [statistics.mean(ring) for ring in zip(*runs, strict=True)]
            for state, runs in by_state["by_distance"].items()
        },
        "seconds": statistics.mean(run["seconds"] for run in runs),
    }


def _kernel(config: Config, kernel_size: int) -> Result:
    side = centre_side(kernel_size)
    return {
        "kernel_size": kernel_size,
        "parameters": parameters(build(kernel_size, config.width)),
        "centre_side": side,
        "flat_share": side**2 / kernel_size**2,
    }
