"""Training of any network that returns logits: loss, penalties, metrics, optimiser and schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from experiments.tasks.batches import Batch
from experiments.training.loop.mixing import Mixing
from experiments.training.loop.schedules import OneCycle, Schedule
from nifconv.conversion import describe
from nifconv.models import DESCRIPTION

Penalty = Callable[[nn.Module], Tensor]
"""Maps a net to a scalar that is added to its loss."""
MakeOptimizer = Callable[[Iterable], Optimizer]
_TOP = 5


class Classifier(LightningModule):
    """A network with everything that its training needs.

    Args:
        net: network that returns logits.
        classes: number of classes.
        optimizer: makes the optimiser from parameters or groups of them; its learning rate is the schedule's largest.
        schedule: learning-rate schedule.
        loss: "softmax" for cross-entropy, or "sigmoid" for binary cross-entropy summed over the classes.
        label_smoothing: share of each label that is spread over all classes.
        mixing: MixUp or CutMix of each training batch.
        decay_norm_and_bias: whether weight decay also applies to norms, biases and layer scales.

    Attributes:
        penalties: penalties by name, added to the loss of each step and logged.

    Raises:
        ValueError: `label_smoothing` is not in [0, 1).
    """

    def __init__(
        self,
        net: nn.Module,
        classes: int,
        optimizer: MakeOptimizer = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        schedule: Schedule = OneCycle(),  # noqa: B008 - a constant
        loss: Literal["softmax", "sigmoid"] = "softmax",
        label_smoothing: float = 0.0,
        mixing: Mixing | None = None,
        decay_norm_and_bias: bool = True,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing={label_smoothing} must be a share from 0 to below 1; 0.1 is usual")
        self.net = net
        self.classes = classes
        self.optimizer = optimizer
        self.schedule = schedule
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.mix = mixing.transform(classes) if mixing else None
        self.decay_norm_and_bias = decay_norm_and_bias
        self.penalties: dict[str, Penalty] = {}
        self.train_accuracy = MulticlassAccuracy(classes, average="micro")
        self.val_metrics = _metrics(classes, "val_")
        self.test_metrics = _metrics(classes, "test_")
        self.test_accuracy_by_class = MulticlassAccuracy(classes, average=None)

    def configure_model(self) -> None:
        """Shards the net (FSDP2) under `ModelParallelStrategy`."""
        if self.device_mesh is not None and not isinstance(self.net, FSDPModule):
            fully_shard(self.net, mesh=self.device_mesh["data_parallel"])

    def training_step(self, batch: Batch) -> Tensor:
        images, labels = batch
        targets = labels
        if self.mix is not None:
            images, targets = self.mix(images, labels)
        logits = self._logits(images)
        loss = self._loss(logits, targets, self.label_smoothing)
        for name, penalty in self.penalties.items():
            value = penalty(self.net)
            self.log(name, value)
            loss = loss + value
        self.train_accuracy(logits, labels if targets.ndim == 1 else targets.argmax(1))
        self.log("loss", loss, prog_bar=True, on_epoch=True, sync_dist=True)
        self.log("accuracy", self.train_accuracy, prog_bar=True, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch) -> None:
        logits, labels = self._logits(batch[0]), batch[1]
        self.val_metrics.update(logits, labels)
        self.log_dict(self.val_metrics, prog_bar=True)
        self.log("val_loss", self._loss(logits, labels), sync_dist=True, batch_size=len(labels))

    def test_step(self, batch: Batch) -> None:
        logits, labels = self._logits(batch[0]), batch[1]
        self.test_metrics.update(logits, labels)
        self.test_accuracy_by_class.update(logits, labels)
        self.log_dict(self.test_metrics)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        steps = self.trainer.estimated_stepping_batches
        if not math.isfinite(steps):
            raise ValueError(
                f"trainer.max_epochs={self.trainer.max_epochs} leaves the schedule without an end; set it, or "
                "trainer.max_steps if the data have no length"
            )
        optimizer = self.optimizer(self._parameter_groups())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.schedule(optimizer, int(steps)), "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # So that `nifconv inspect` and the other commands can build the network again from the checkpoint alone.
        checkpoint[DESCRIPTION] = describe(self.net)

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        if logits.ndim != 2 or logits.shape[1] != self.classes:
            raise ValueError(
                f"the network returns {tuple(logits.shape)} for {len(images)} images, but the data have {self.classes} "
                "classes; a network of your own takes their number as `num_classes`, and `nifconv convert` as "
                "--num-classes"
            )
        return logits

    def _loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        if self.loss == "softmax":
            return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        if targets.ndim == 1:
            targets = nn.functional.one_hot(targets, self.classes).to(logits.dtype)
        targets = targets * (1 - smoothing) + smoothing / self.classes
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(logits)

    def _parameter_groups(self) -> list[Any]:
        if self.decay_norm_and_bias:
            return list(self.parameters())
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for parameter in self.parameters():
            groups[parameter.ndim > 1].append(parameter)
        return [{"params": groups[True]}, {"params": groups[False], "weight_decay": 0.0}]


def _metrics(classes: int, prefix: str) -> MetricCollection:
    metrics: dict[str, Metric | MetricCollection] = {"accuracy": MulticlassAccuracy(classes, average="micro")}
    if classes > _TOP:
        metrics[f"top{_TOP}"] = MulticlassAccuracy(classes, top_k=_TOP, average="micro")
    return MetricCollection(metrics, prefix=prefix)
