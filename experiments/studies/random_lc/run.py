"""Do frozen random filters learn as well as learned ones, if a 1x1 convolution combines them?

Small ResNet-LC nets on few handwritten digits: the same net with frozen and with learned spatial filters, of several
kinds, at several expansions, without LC blocks, of as many learnable parameters, and under attack.
"""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torchvision.transforms import Normalize

from experiments.nets.attacks import fgsm, pgd
from experiments.studies.random_lc import variants, verdict
from experiments.studies.random_lc.variants import Variant
from experiments.study.ledger import Ledger
from experiments.study.statistics import judge, spread
from experiments.study.training import accuracy, train_and_test
from experiments.tasks.batches import Batches
from experiments.tasks.handwritten import CLASSES, Digits, digit_pools, subset
from nifconv import LCConv2d, count_parameters, footprint

_TEST_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """What all runs share.

    Attributes:
        seeds: of the training images, their order, the initial weights and the frozen filters.
        first_seeds: how many of them there were when the claims were first judged; so much was open that the others
            were added.
        expansions: E of the LC nets, ascending.
        studied: the E of the questions that are asked at one.
        sizes: sides of the kernels given by taps, ascending.
        train_images: drawn from the training pool for each seed.
        test_images, attacked_images: at most so many, the first ones.
        learning_rates: one-cycle peaks that each kind of net chooses from, by validation with `tuning_seeds`.
        epsilons: what attacks may change, in 255ths of the range of a pixel.
        attack_steps: of PGD.
    """

    seeds: tuple[int, ...] = tuple(range(8))
    first_seeds: int = 4
    expansions: tuple[int, ...] = (1, 8, 32)
    studied: int = 8
    sizes: tuple[int, ...] = (3, 5, 7, 9)
    train_images: int = 200
    test_images: int = 1000
    attacked_images: int = 200
    batch_size: int = 50
    epochs: int = 12
    learning_rates: tuple[float, ...] = (0.002, 0.006, 0.02, 0.06)
    tuning_seeds: tuple[int, ...] = (100,)
    epsilons: tuple[int, ...] = (1, 4, 8)
    attack_steps: int = 10


SMOKE = Recipe(
    seeds=(0, 1),
    first_seeds=1,
    expansions=(1, 2),
    studied=2,
    sizes=(3, 9),
    train_images=4,
    test_images=20,
    attacked_images=10,
    batch_size=4,
    epochs=1,
    learning_rates=(0.02,),
    tuning_seeds=(100,),
    attack_steps=2,
)
"""The same code path in seconds; the accuracies mean nothing."""


def rows(recipe: Recipe) -> list[Variant]:
    """All nets, each once."""
    made = [
        variants.PLAIN,
        variants.FROZEN_PLAIN,
        *variants.grid(recipe.sizes, recipe.expansions),
        *variants.matched(recipe.expansions),
        *variants.shared(recipe.expansions, recipe.studied),
        *variants.activated(recipe.studied),
        *variants.ladder(recipe.studied),
    ]
    return list(dict.fromkeys(made))


def measure(recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    """Tunes and trains all nets, and judges the claims."""
    pools = digit_pools()
    chosen = tune(recipe, ledger)
    rates = {one["net"]: one["learning_rate"] for one in chosen}
    measured = [_row(variant, recipe, rates[variant.tuned_as.name], ledger) for variant in rows(recipe)]
    return {
        "pools": {
            "train": len(pools.train),
            "validation": len(pools.validation),
            "test": len(pools.test.first(recipe.test_images)),
        },
        "tuning": chosen,
        "rows": measured,
        **judge(verdict.CLAIMS, verdict.contrasts(recipe), verdict.values(measured)),
    }


def tune(recipe: Recipe, ledger: Ledger) -> list[dict[str, Any]]:
    """The learning rate of best validation accuracy, for each kind of net that has one of its own."""
    found: list[dict[str, Any]] = []
    for variant in dict.fromkeys(one.tuned_as for one in rows(recipe)):
        trials = []
        for rate in recipe.learning_rates:
            accuracies = [
                ledger(
                    f"tune {variant.name}, rate {rate}, seed {seed}", partial(_validate, variant, recipe, seed, rate)
                )
                for seed in recipe.tuning_seeds
            ]
            trials.append({"rate": rate, "accuracy": statistics.mean(one["accuracy"] for one in accuracies)})
        best = max(trials, key=lambda trial: trial["accuracy"])
        found.append({"net": variant.name, "learning_rate": best["rate"], "trials": trials})
    return found


def _row(variant: Variant, recipe: Recipe, rate: float, ledger: Ledger) -> dict[str, Any]:
    runs = []
    for seed in recipe.seeds:
        run = ledger(f"{variant.name}, rate {rate}, seed {seed}", partial(_test, variant, recipe, seed, rate))
        runs.append({"seed": seed, **run})
    return {
        "name": variant.name,
        **dataclasses.asdict(variant),
        "width": variant.width,
        "learning_rate": rate,
        "parameters": runs[0]["parameters"],
        **spread([run["accuracy"] for run in runs]),
        "runs": runs,
    }


def _validate(variant: Variant, recipe: Recipe, seed: int, rate: float) -> dict[str, Any]:
    return {"accuracy": _train(variant, recipe, seed, rate, digit_pools().validation)[1]}


def _test(variant: Variant, recipe: Recipe, seed: int, rate: float) -> dict[str, Any]:
    test = digit_pools().test.first(recipe.test_images)
    net, correct = _train(variant, recipe, seed, rate, test)
    result: dict[str, Any] = {
        "accuracy": correct,
        "centre": centre_energy(net),
        "parameters": count_parameters(net).to_dict(),
    }
    if variant.attacked:
        result["attacked"] = _attack(net.eval(), test.first(recipe.attacked_images), recipe)
    return result


def _train(variant: Variant, recipe: Recipe, seed: int, rate: float, test: Digits) -> tuple[nn.Module, float]:
    seed_everything(seed, verbose=False)
    chosen = subset(digit_pools().train, recipe.train_images, seed)
    net = variant.build(seed)
    outcome = train_and_test(
        net,
        Batches(chosen.images, chosen.labels, recipe.batch_size, seed),
        Batches(test.images, test.labels, _TEST_BATCH),
        classes=CLASSES,
        epochs=recipe.epochs,
        learning_rate=rate,
    )
    return net, outcome.accuracy


def centre_energy(net: nn.Module) -> float | None:
    """Share of energy in the middle 3x3 of a kernel of given size, mean over kernels and then layers."""
    spatial = [block.spatial for block in net.modules() if isinstance(block, LCConv2d)]
    with torch.no_grad():
        kernels = [one.filter.taps(one.kernel_size) for one in spatial if one.kernel_size is not None]
    shares = [footprint.energy_ratio(taps)[..., 1].mean().item() for taps in kernels]
    return statistics.mean(shares) if shares else None


def _attack(net: nn.Module, test: Digits, recipe: Recipe) -> dict[str, list[float]]:
    """Accuracy by attack, without it and then for each epsilon."""
    pools = digit_pools()
    attacked = nn.Sequential(Normalize([pools.mean], [pools.deviation]), net).eval()
    pixels = pools.pixels(test.images)

    def right(images: Tensor) -> float:
        return accuracy(attacked, [(images, test.labels)], classes=CLASSES)

    clean = right(pixels)
    return {
        name: [clean, *(right(attack(attacked, pixels, test.labels, e / 255)) for e in recipe.epsilons)]
        for name, attack in (("FGSM", fgsm), ("PGD", partial(pgd, steps=recipe.attack_steps)))
    }
