"""Which implicit filter to start with: does it ring, how far can it learn to reach, and what does it cost?"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import partial

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import frequency_net, parameters, separable_net
from experiments.studies.defaults.variants import CHOICE, FILTERS, IMAGE, TAPS
from experiments.study.ledger import Ledger, Result
from experiments.study.sweep import Sweep, Trial, best
from experiments.study.training import accuracy, train_and_test
from experiments.tasks.batches import Batches, FreshBatches
from experiments.tasks.displaced import AXES, CANVAS, DIAGONALS, DISTANCES, OBLIQUE, displaced_digits, displacements
from experiments.tasks.handwritten import CLASSES, Digits, subset
from experiments.tasks.scenes import CANVAS as GROWS
from experiments.tasks.scenes import Scene, Scenes, place, resolutions, source_pools
from nifconv import bake, convert, footprint

DIRECTIONS = {"axes": AXES, "diagonals": DIAGONALS, "oblique": OBLIQUE}
LIMITED = "image, band limit"
"""The image filter after training, cut off above the frequencies of the maps that it was trained on."""
_DIGITS = Scene(digit=12, canvas=16)
_PLACES = 7
"""Seed of where the digits to test with stand."""
SOLVED = 0.9
KERNELS = 256


@dataclass(frozen=True)
class Config:
    """What the numbers depend on.

    Attributes:
        seeds: of training data, their order and the initial weights.
        few_seeds: how many of them the filters get on displaced digits that the choice is not between.
        tuning_seeds, learning_rates: of the choice of a learning rate for enlarged digits, on validation digits; for
            displaced digits the first of the seeds and the middle rate are used by every filter.
        width: channels of all nets.
        displaced_epochs, displaced_steps, displaced_batch: of training on displaced digits.
        digit_epochs, digit_steps, digit_batch, digit_images: of training on enlarged digits.
        test_canvases: displaced digits to test with.
        canvases: sides, in pixels, of the larger canvases that nets for enlarged digits are tested on.
        tolerance: of `bake`.
        fresh_size: side, in pixels, of the maps that untrained filters are measured on.
        gain_sizes: sides, in pixels, of the maps on which their gain is measured.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    few_seeds: int = 2
    tuning_seeds: tuple[int, ...] = (100, 101)
    learning_rates: tuple[float, ...] = (0.005, 0.02, 0.08)
    width: int = 24
    displaced_epochs: int = 16
    displaced_steps: int = 25
    displaced_batch: int = 32
    digit_epochs: int = 5
    digit_steps: int = 40
    digit_batch: int = 50
    digit_images: int = 200
    test_canvases: int = 1024
    canvases: tuple[int, ...] = (24, 32)
    tolerance: float = 0.01
    fresh_size: int = 48
    gain_sizes: tuple[int, ...] = (7, 14, 28, 56, 112, 224)


SMOKE = Config(
    seeds=(0, 1),
    tuning_seeds=(100,),
    learning_rates=(0.02,),
    width=4,
    displaced_epochs=1,
    displaced_steps=1,
    displaced_batch=8,
    digit_epochs=1,
    digit_steps=1,
    digit_batch=8,
    digit_images=16,
    test_canvases=8,
    canvases=(24,),
    gain_sizes=(7, 14),
)
"""The same code path in seconds; the accuracies mean nothing."""


def measure(config: Config, ledger: Ledger) -> Result:
    """What results.json holds besides the settings."""
    untrained = {name: ledger(f"untrained {name}", partial(_untrained, config, name)) for name in FILTERS}
    digits = [_digits(config, name, ledger) for name in (*TAPS, *FILTERS)]
    displaced = [_displaced(config, name, direction, ledger) for direction in DIRECTIONS for name in FILTERS]
    return {"classes": CLASSES, "untrained": untrained, "digits": digits, "displaced": displaced}


def _untrained(config: Config, name: str) -> Result:
    """Medians over many kernels of the survey's measures, and the gain by map size."""
    seed_everything(0, verbose=False)
    drawn = FILTERS[name](KERNELS, 1)
    with torch.no_grad():
        taps = drawn.taps(config.fresh_size)
        gains = {str(size): drawn.gain(size).square().mean().sqrt().item() for size in config.gain_sizes}
    inside = footprint.mass_ratio(taps)  # (kernels, 1, windows of 1, 3, 5, .. px)
    outside9 = 1 - inside[..., 4]
    # Nothing is on the cross of a kernel that ends within 9 px.
    cross = outside9 * footprint.cross_share(taps).nan_to_num()
    return {
        "parameters": sum(p.numel() for p in FILTERS[name](config.width, 1).parameters()),
        "within9": 1 - outside9.median().item(),
        "cross_outside9": cross.median().item(),
        "outside33": (1 - inside[..., 16]).median().item(),
        "gain": gains,
    }


def _displaced(config: Config, name: str, direction: str, ledger: Ledger) -> Result:
    seeds = config.seeds if name in CHOICE else config.seeds[: config.few_seeds]
    key = f"displaced {direction} {{variant}} seed {{seed}}"
    runs = Sweep((name,), seeds, partial(_run_displaced, config, direction), key).runs(ledger)
    return {"variant": name, "direction": direction, "runs": runs[name]}


def _run_displaced(config: Config, direction: str, name: str, seed: int) -> Result:
    seed_everything(seed, verbose=False)
    directions = DIRECTIONS[direction]
    classes = len(displacements(DISTANCES, directions))
    net = frequency_net(config.width, FILTERS[name], classes=classes, depth=1)
    train, test = displaced_digits(directions=directions)
    rate = config.learning_rates[len(config.learning_rates) // 2]
    outcome = train_and_test(
        net,
        FreshBatches(train, config.displaced_steps, config.displaced_batch, seed),
        # The test has its own digits and its own canvases.
        FreshBatches(test, config.test_canvases // config.displaced_batch, config.displaced_batch, 2**31 - 1 - seed),
        classes=classes,
        epochs=config.displaced_epochs,
        learning_rate=rate,
    )
    solved = (n for n, found in enumerate(outcome.training_accuracy, 1) if found >= SOLVED)
    steps = next((n * config.displaced_steps for n in solved), None)
    return {
        "accuracy": outcome.accuracy,
        "steps_to_90": steps,
        "parameters": parameters(net),
        **_baked(net, torch.zeros(1, 1, CANVAS, CANVAS), config),
    }


def _digits(config: Config, name: str, ledger: Ledger) -> Result:
    trials = [Trial(name, rate) for rate in config.learning_rates]
    key = "{variant.variant} rate {variant.rate} seed {seed}"
    tried = Sweep(trials, config.tuning_seeds, partial(_validate, config), f"tune {key}").accuracies(ledger)
    chosen = best(tried)
    runs = Sweep((chosen,), config.seeds, partial(_run, config), f"digits {key}").runs(ledger)
    by_rate = {str(trial.rate): found for trial, found in tried.items()}
    return {"variant": name, "learning_rate": chosen.rate, "trials": by_rate, "runs": runs[chosen]}


def _validate(config: Config, trial: Trial[str], seed: int) -> Result:
    return {"accuracy": _train(config, trial, seed, source_pools()[1])[1]}


def _run(config: Config, trial: Trial[str], seed: int) -> Result:
    name, test = trial.variant, source_pools()[2]
    net, found = _train(config, trial, seed, test)
    scenes = resolutions(_DIGITS, config.canvases)[GROWS]
    result: Result = {"accuracy": found, "parameters": parameters(net), "canvas": _on(net, test, scenes)}
    if name in FILTERS:
        example = torch.zeros(1, 1, _DIGITS.canvas, _DIGITS.canvas)
        result |= _baked(net, example, config)
        if name == IMAGE:
            for layer in footprint.survey(net, example).layers:
                net.get_submodule(layer.name).filter.band_limit = layer.map_size[0] / 2  # type: ignore[union-attr]
            result["canvas_band_limit"] = _on(net, test, scenes)
    return result


def _train(config: Config, trial: Trial[str], seed: int, test: Digits) -> tuple[nn.Module, float]:
    """A net of three blocks on enlarged digits, and its accuracy on the canvas that it was trained on."""
    seed_everything(seed, verbose=False)
    name = trial.variant
    net: nn.Module = separable_net(
        config.width, TAPS.get(name, 3), classes=CLASSES, depth=3, halve_after=(0,), pool=nn.AdaptiveMaxPool2d
    )
    if name in FILTERS:
        net = convert(net, filter=FILTERS[name]).model
    outcome = train_and_test(
        net,
        FreshBatches(
            Scenes(subset(source_pools()[0], config.digit_images, seed), _DIGITS),
            config.digit_steps,
            config.digit_batch,
            seed,
        ),
        _shown(test, _DIGITS),
        classes=CLASSES,
        epochs=config.digit_epochs,
        learning_rate=trial.rate,
    )
    return net, outcome.accuracy


def _on(net: nn.Module, test: Digits, scenes: dict[int, Scene]) -> dict[str, float]:
    return {str(size): accuracy(net, _shown(test, scene), classes=CLASSES) for size, scene in scenes.items()}


def _shown(digits: Digits, scene: Scene) -> Batches:
    """Each digit once, at a place that depends on the scene alone."""
    placed = place(digits.images, scene, torch.Generator().manual_seed(_PLACES))
    return Batches(placed, digits.labels, 100)


def _baked(net: nn.Module, example: torch.Tensor, config: Config) -> Result:
    """The size of the plain kernels, in pixels, as a geometric mean over the layers, and the error they cost."""
    report = bake(net.eval(), example, tolerance=config.tolerance).report
    sizes = [layer.kernel_after[0] for layer in report.layers if layer.kernel_after is not None]
    return {"baked_size": math.exp(statistics.mean(map(math.log, sizes))), "baked_error": report.error}
