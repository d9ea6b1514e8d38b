"""Training and testing a classifier; nothing is written to disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from experiments.tasks.batches import Batch, Batches
from experiments.training.loop.classifier import Classifier, Penalty
from experiments.training.loop.quiet import expected_warnings
from experiments.training.loop.schedules import OneCycle

_TEST_BATCH = 500
_RECALIBRATION = 20
"""Batches."""


@dataclass(frozen=True)
class Outcome:
    """What a trained network achieves.

    Attributes:
        accuracy: accuracy on the test batches, from 0 to 1.
        accuracy_by_class: the same for each class.
        training_accuracy: accuracy on the training batches of each epoch.
        seconds: duration of training, without the test.
    """

    accuracy: float
    accuracy_by_class: list[float]
    training_accuracy: list[float]
    seconds: float


class _Curve(Callback):
    """Keeps the training accuracy of each epoch."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.values.append(trainer.callback_metrics["accuracy"].item())


def train_and_test(
    net: nn.Module,
    train: Iterable[Batch],
    test: Iterable[Batch],
    *,
    classes: int,
    epochs: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    penalty: Penalty | None = None,
    progress: bool = True,
) -> Outcome:
    """Trains `net` in place on the CPU, with AdamW and a one-cycle learning rate, and tests it.

    Args:
        net: a net that returns logits.
        train, test: batches.
        classes: number of logits.
        epochs: passes over `train`.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: weight decay of AdamW, for all parameters.
        penalty: function of the net that is added to the loss.
        progress: show a progress bar.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    optimizer = partial(torch.optim.AdamW, lr=learning_rate, weight_decay=weight_decay)
    classifier = Classifier(net, classes, optimizer)
    if penalty is not None:
        classifier.penalties["penalty"] = penalty
    curve = _Curve()
    with expected_warnings():
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=progress,
            callbacks=[*([RichProgressBar()] if progress else []), curve],
        )
        start = time.perf_counter()
        trainer.fit(classifier, train)
        seconds = time.perf_counter() - start
        (tested,) = trainer.test(classifier, test, verbose=False)
    return Outcome(
        accuracy=tested["test_accuracy"],
        accuracy_by_class=classifier.test_accuracy_by_class.compute().tolist(),
        training_accuracy=curve.values,
        seconds=seconds,
    )


def fit(
    net: nn.Module,
    batches: Iterable[Batch],
    *,
    steps: int,
    rate: float,
    weight_decay: float = 0.01,
    penalty: Penalty | None = None,
) -> list[float]:
    """Trains `net` in place with AdamW and a one-cycle learning rate, and recalibrates its BatchNorm.

    A plain loop: Lightning's bookkeeping takes half as long as a step of nets that train in seconds.

    Args:
        net: a net that returns logits.
        batches: to train with; passed over again until there are enough.
        steps: number of batches.
        rate: peak of the learning rate.
        weight_decay: weight decay of AdamW, for all parameters.
        penalty: function of the net that is added to the loss.

    Returns:
        The accuracy on each batch, before its step.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = OneCycle()(optimizer, steps)
    net.train()
    curve = []
    for _, (images, labels) in zip(range(steps), _endless(batches), strict=False):
        logits = net(images)
        loss = nn.functional.cross_entropy(logits, labels)
        if penalty is not None:
            loss = loss + penalty(net)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        curve.append((logits.argmax(1) == labels).float().mean().item())
    recalibrate(net, (batch for _, batch in zip(range(min(steps, _RECALIBRATION)), _endless(batches), strict=False)))
    return curve


def steps_to(curve: list[float], share: float, window: int = 25) -> int:
    """The first step after which a mean over `window` batches has been at least `share`; all steps if there is none."""
    ends = range(window, len(curve) + 1)
    return next((end for end in ends if sum(curve[end - window : end]) >= share * window), len(curve))


def correct(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which answers are right: `(n,)`, booleans."""
    net.eval()
    with torch.inference_mode():
        return torch.cat([net(part).argmax(1) == right for part, right in Batches(images, labels, _TEST_BATCH)])


def accuracy(net: nn.Module, batches: Iterable[Batch], *, classes: int) -> float:
    """The share of correct answers of a trained net, which is left in eval mode."""
    metric = MulticlassAccuracy(classes, average="micro")
    net.eval()
    with torch.inference_mode():
        for images, labels in batches:
            metric.update(net(images), labels)
    return metric.compute().item()


@torch.no_grad()
def recalibrate(net: nn.Module, batches: Iterable[Batch]) -> None:
    """Sets the statistics of BatchNorm to plain means over training batches, and leaves the net in eval mode.

    After few steps the running means lag behind the weights; and a net whose kernels have been changed has other means.
    Statistics of the test batches would let the test images inform each other's answers.

    Args:
        net: changed in place.
        batches: of training images.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches, each with the same weight
    net.train()
    for images, _ in batches:
        net(images)
    net.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _endless(batches: Iterable[Batch]) -> Iterator[Batch]:
    while True:
        yield from batches
