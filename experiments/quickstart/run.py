"""Three nets of equal size on displaced digits: does it matter how far their filters reach?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from lightning.pytorch import seed_everything
from torch import nn

from experiments.nets.separable import frequency_net, matching_width, parameters, separable_net
from experiments.study.environment import environment
from experiments.study.training import Outcome, train_and_test
from experiments.tasks.batches import Draw, FreshBatches
from experiments.tasks.centred import centred_digits
from experiments.tasks.displaced import AXES, CANVAS, DIAGONALS, displaced_digits, displacements
from nifconv import ImplicitFilter, MultiScaleFeatures, footprint
from nifconv.footprint import Survey

DISTANCES = (10, 22)
DIRECTIONS = AXES + DIAGONALS
DISPLACEMENTS = displacements(DISTANCES, DIRECTIONS)
CLASS_NAMES = tuple(f"{distance} px {direction}" for direction in DIRECTIONS for distance in DISTANCES)
CLASSES = len(DISPLACEMENTS)
NET_NAMES = ("3x3", "7x7", "frequency")
# Keeps the test canvases apart from the training canvases of the same seed.
_TEST_STREAM = 1_000_003


@dataclass(frozen=True)
class Settings:
    """Everything the result depends on; the same for the three nets.

    Attributes:
        seed: of the canvases and of the initial weights.
        epochs: passes over the training canvases, which are new for each.
        steps: batches in an epoch.
        batch_size: canvases in a batch; a multiple of 8 keeps the classes balanced.
        learning_rate: peak of the one-cycle schedule.
        test_batches: of `batch_size` canvases each.
        width: channels of the frequency net; the plain nets get the width that matches its parameters.
        depth: depthwise convolutions in each net.
        hidden: widths of the implicit filters' MLP.
        reach: largest offset, in pixels, of their multi-scale encoding.
        null: re-initialised copies of each layer that trained kernels are compared with.
        meaningful: whether the training is long enough for its accuracies to mean something.
    """

    seed: int = 0
    epochs: int = 8
    steps: int = 50
    batch_size: int = 32
    learning_rate: float = 0.02
    test_batches: int = 32
    width: int = 24
    depth: int = 1
    hidden: tuple[int, ...] = (16, 16)
    reach: int = 24
    null: int = 40
    meaningful: bool = True

    def smoke(self) -> Settings:
        """The same code path in a few seconds; the accuracies mean nothing."""
        return Settings(
            seed=self.seed, epochs=1, steps=2, batch_size=8, test_batches=2, width=4, null=2, meaningful=False
        )


@dataclass(frozen=True)
class NetResult:
    """One net, trained and measured.

    Attributes:
        name: one of `NET_NAMES`.
        width: channels.
        parameters: learnable ones.
        outcome: of training.
        before, after: the kernels at initialisation and after training.
    """

    name: str
    width: int
    parameters: int
    outcome: Outcome
    before: Survey
    after: Survey

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        by_class = self.outcome.accuracy_by_class
        return {
            "name": self.name,
            "accuracy": self.outcome.accuracy,
            "accuracy_by_displacement": dict(zip(CLASS_NAMES, by_class, strict=True)),
            "parameters": self.parameters,
            "width": self.width,
            "seconds": self.outcome.seconds,
            "effective_size_before": effective_size(self.before),
            "effective_size_after": effective_size(self.after),
            "survey_before": self.before.to_dict(),
            "survey_after": self.after.to_dict(),
        }


def effective_size(survey: Survey) -> float:
    """Median over all kernels of a net of the window side that holds 90 % of a kernel, in pixels."""
    sizes = [footprint.effective_size(layer.taps).flatten() for layer in survey.layers]
    return torch.cat(sizes).median().item()


def run_nets(settings: Settings, announce: Callable[[str], None]) -> list[NetResult]:
    """Trains and measures the three nets, one after the other.

    Args:
        settings: of all of them.
        announce: is told which net comes next.
    """
    results = []
    for name in NET_NAMES:
        # Before each net, so that its result does not depend on which nets came before it.
        seed_everything(settings.seed, verbose=False)
        net, width = build(name, settings)
        announce(f"{name}: {parameters(net):,} parameters, {width} channels")
        results.append(_train(name, net, width, settings, *displaced_digits(DISTANCES, DIRECTIONS)))
    return results


def run_control(settings: Settings) -> NetResult:
    """The frequency net, from the same initial weights, on a task that needs no reach: one digit in the middle."""
    seed_everything(settings.seed, verbose=False)
    net, width = build("frequency", settings)
    return _train("frequency, centred digits", net, width, settings, *centred_digits())


def build(name: str, settings: Settings) -> tuple[nn.Module, int]:
    """One of the three nets, and its width."""
    implicit = partial(ImplicitFilter, hidden=settings.hidden, encoding=MultiScaleFeatures(settings.reach))
    converted = frequency_net(settings.width, implicit, classes=CLASSES, depth=settings.depth)
    if name == "frequency":
        return converted, settings.width
    kernel_size = int(name.split("x")[0])
    width = matching_width(parameters(converted), kernel_size, classes=CLASSES, depth=settings.depth)
    return separable_net(width, kernel_size, classes=CLASSES, depth=settings.depth), width


def to_dict(results: list[NetResult], control: NetResult | None, settings: Settings, seconds: float) -> dict[str, Any]:
    """The content of results.json.

    Args:
        results: of the three nets.
        control: of `run_control`.
        settings: they were run with.
        seconds: the whole run took.
    """
    return {
        "experiment": "quickstart",
        "nets": [result.to_dict() for result in results],
        "control": control.to_dict() if control else None,
        "settings": {
            **asdict(settings),
            "canvas": CANVAS,
            "classes": list(CLASS_NAMES),
            "receptive_field": {
                "3x3": 2 * settings.depth + 1,
                "7x7": 6 * settings.depth + 1,
                "frequency": CANVAS,
            },
            **environment(),
        },
        "seconds": seconds,
    }


def _train(name: str, net: nn.Module, width: int, settings: Settings, train_task: Draw, test_task: Draw) -> NetResult:
    train = FreshBatches(train_task, settings.steps, settings.batch_size, settings.seed)
    test = FreshBatches(test_task, settings.test_batches, settings.batch_size, settings.seed + _TEST_STREAM)
    example = torch.zeros(1, 1, CANVAS, CANVAS)
    before = footprint.survey(net, example)
    outcome = train_and_test(
        net, train, test, classes=CLASSES, epochs=settings.epochs, learning_rate=settings.learning_rate
    )
    after = footprint.survey(net, example, null=settings.null, seed=settings.seed)
    return NetResult(name, width, parameters(net), outcome, before, after)
