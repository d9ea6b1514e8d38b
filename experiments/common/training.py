"""Training and testing a classifier with Lightning; nothing is written to disk."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from experiments.common.data.batches import Batch

Penalty = Callable[[nn.Module], Tensor]
"""A net to a scalar that is added to its loss."""


@dataclass(frozen=True)
class Outcome:
    """What a trained network achieves.

    Attributes:
        accuracy: on the test batches, from 0 to 1.
        accuracy_by_class: the same within each class.
        seconds: of training, without the test.
    """

    accuracy: float
    accuracy_by_class: list[float]
    seconds: float


class Classifier(LightningModule):
    """Cross-entropy, AdamW and a one-cycle learning rate around any network that returns logits."""

    def __init__(
        self, net: nn.Module, classes: int, learning_rate: float, weight_decay: float, penalty: Penalty | None
    ) -> None:
        super().__init__()
        self.net = net
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.penalty = penalty
        self.train_accuracy = MulticlassAccuracy(classes, average="micro")
        self.test_accuracy = MulticlassAccuracy(classes, average="micro")
        self.test_accuracy_by_class = MulticlassAccuracy(classes, average=None)

    def training_step(self, batch: Batch) -> Tensor:
        images, labels = batch
        logits = self.net(images)
        loss = nn.functional.cross_entropy(logits, labels)
        self.train_accuracy(logits, labels)
        if self.penalty is not None:
            loss = loss + self.penalty(self.net)
        self.log("loss", loss, prog_bar=True)
        self.log("accuracy", self.train_accuracy, prog_bar=True, on_step=False, on_epoch=True)
        return loss

    def test_step(self, batch: Batch) -> None:
        images, labels = batch
        logits = self.net(images)
        self.test_accuracy.update(logits, labels)
        self.test_accuracy_by_class.update(logits, labels)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


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
) -> Outcome:
    """Trains `net` in place on the CPU, `epochs` passes over `train`, and tests what it is then.

    Args:
        net: returns logits.
        train, test: batches.
        classes: number of logits.
        epochs: passes over `train`.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW, for all parameters.
        penalty: of the net, added to the loss at each step.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    classifier = Classifier(net, classes, learning_rate, weight_decay, penalty)
    with warnings.catch_warnings():
        # Lightning 2.6 walks its data loaders with a torch function that torch 2.15 deprecates.
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            callbacks=[RichProgressBar()],
        )
        start = time.perf_counter()
        trainer.fit(classifier, train)
        seconds = time.perf_counter() - start
        trainer.test(classifier, test, verbose=False)
    return Outcome(
        accuracy=classifier.test_accuracy.compute().item(),
        accuracy_by_class=classifier.test_accuracy_by_class.compute().tolist(),
        seconds=seconds,
    )


def accuracy(net: nn.Module, batches: Iterable[Batch], *, classes: int) -> float:
    """The share of right answers of a trained net, which is left in eval mode."""
    metric = MulticlassAccuracy(classes, average="micro")
    net.eval()
    with torch.inference_mode():
        for images, labels in batches:
            metric.update(net(images), labels)
    return metric.compute().item()
