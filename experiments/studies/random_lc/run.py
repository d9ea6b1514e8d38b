"""Do frozen random filters learn as well as learned ones, if a 1x1 convolution combines them?

Small ResNet-LC nets on few handwritten digits: the same net with frozen and with learned spatial filters, of several
kinds, at several expansions, without LC blocks, of as many learnable parameters, and under attack.
"""

from __future__ import annotations

import dataclasses
import statistics
from functools import partial

import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torchvision.transforms import Normalize

from experiments.nets.attacks import fgsm, pgd
from experiments.studies.random_lc import variants
from experiments.studies.random_lc.config import Config
from experiments.studies.random_lc.variants import Variant
from experiments.study.judge import spread
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep, Trial, best
from experiments.study.training import accuracy, train_and_test
from experiments.tasks.batches import Batches
from experiments.tasks.handwritten import CLASSES, Digits, digit_pools, subset
from nifconv import LCConv2d, count_parameters, footprint

_KEY = "{variant.variant.name}, rate {variant.rate}, seed {seed}"
_TEST_BATCH = 500


def measure(config: Config, ledger: Ledger) -> Result:
    """What results.json holds besides settings and verdicts."""
    nets = variants.every(config)
    rates: dict[Variant, float] = {}
    tuning: list[Result] = []
    for variant in dict.fromkeys(one.tuned_as for one in nets):
        trials = [Trial(variant, rate) for rate in config.learning_rates]
        tried = Sweep(trials, config.tuning_seeds, partial(_validate, config), f"tune {_KEY}").accuracies(ledger)
        rates[variant] = best(tried).rate
        listed = [{"rate": trial.rate, "accuracy": found} for trial, found in tried.items()]
        tuning.append({"net": variant.name, "learning_rate": rates[variant], "trials": listed})
    chosen = [Trial(variant, rates[variant.tuned_as]) for variant in nets]
    runs = Sweep(chosen, config.seeds, partial(_test, config), _KEY).runs(ledger)
    pools = digit_pools()
    return {
        "pools": {
            "train": len(pools.train),
            "validation": len(pools.validation),
            "test": len(pools.test.first(config.test_images)),
        },
        "tuning": tuning,
        "rows": [_row(trial, found) for trial, found in runs.items()],
    }


def _row(trial: Trial[Variant], runs: list[Result]) -> Result:
    return {
        "name": trial.variant.name,
        **dataclasses.asdict(trial.variant),
        "width": trial.variant.width,
        "learning_rate": trial.rate,
        "parameters": runs[0]["parameters"],
        **spread([run["accuracy"] for run in runs]),
        "runs": runs,
    }


def _validate(config: Config, trial: Trial[Variant], seed: int) -> Result:
    return {"accuracy": _train(config, trial, seed, digit_pools().validation)[1]}


def _test(config: Config, trial: Trial[Variant], seed: int) -> Result:
    test = digit_pools().test.first(config.test_images)
    net, correct = _train(config, trial, seed, test)
    result: Result = {
        "accuracy": correct,
        "centre": centre_energy(net),
        "parameters": count_parameters(net).to_dict(),
    }
    if trial.variant.attacked:
        result["attacked"] = _attack(config, net.eval(), test.first(config.attacked_images))
    return result


def _train(config: Config, trial: Trial[Variant], seed: int, test: Digits) -> tuple[nn.Module, float]:
    seed_everything(seed, verbose=False)
    chosen = subset(digit_pools().train, config.train_images, seed)
    net = trial.variant.build(seed)
    outcome = train_and_test(
        net,
        Batches(chosen.images, chosen.labels, config.batch_size, seed),
        Batches(test.images, test.labels, _TEST_BATCH),
        classes=CLASSES,
        epochs=config.epochs,
        learning_rate=trial.rate,
    )
    return net, outcome.accuracy


def centre_energy(net: nn.Module) -> float | None:
    """Share of energy in the middle 3x3 of kernels of given size, mean over kernels and then layers."""
    spatial = [block.spatial for block in net.modules() if isinstance(block, LCConv2d)]
    with torch.no_grad():
        kernels = [one.filter.taps(one.kernel_size) for one in spatial if one.kernel_size is not None]
    shares = [footprint.energy_ratio(taps)[..., 1].mean().item() for taps in kernels]
    return statistics.mean(shares) if shares else None


def _attack(config: Config, net: nn.Module, test: Digits) -> dict[str, list[float]]:
    """Accuracy by attack, without it and then for each epsilon."""
    pools = digit_pools()
    attacked = nn.Sequential(Normalize([pools.mean], [pools.deviation]), net).eval()
    pixels = pools.pixels(test.images)

    def right(images: Tensor) -> float:
        return accuracy(attacked, [(images, test.labels)], classes=CLASSES)

    clean = right(pixels)
    return {
        name: [clean, *(right(attack(attacked, pixels, test.labels, e / 255)) for e in config.epsilons)]
        for name, attack in (("FGSM", fgsm), ("PGD", partial(pgd, steps=config.attack_steps)))
    }
