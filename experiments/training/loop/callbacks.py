"""Callbacks for training: footprints measured along the way, and a penalty on far taps."""

from __future__ import annotations

import copy
import math
import statistics
import time
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_only
from torch import Tensor, nn

from experiments.files import write_json
from experiments.training.data.module import ImageData
from experiments.training.loop.classifier import Classifier
from nifconv import footprint, locality_penalty
from nifconv._support import forward
from nifconv.layers import FrequencyConv

_SIZE = "size90"
"""The measure that is logged: side of the window with 90 % of a kernel's mass, median over a layer."""


class FootprintSurvey(Callback):
    """Surveys the kernels of the net before the training and at regular intervals.

    The survey after N epochs is `footprint/epoch=N.json` in the folder of the run (`nifconv inspect RUN --every-epoch`
    shows them all); all loggers get the kernel size of each layer as footprint/LAYER, in pixels, and the terminal a
    line. A copy of the net is surveyed, so
    that neither the modes nor the random numbers of the training change.

    Args:
        every_n_epochs: number of epochs between surveys; the last epoch is always followed by one.
        null: number of re-initialised copies in the null distribution; 0 for none.
        seed: seed of these copies.

    Raises:
        ValueError: `every_n_epochs` is below 1, or the strategy shards the net.
    """

    def __init__(self, every_n_epochs: int = 1, null: int = 20, seed: int = 0) -> None:
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs={every_n_epochs} must be at least 1; leave the callback out for none")
        self.every_n_epochs = every_n_epochs
        self.null = null
        self.seed = seed

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        _check_not_sharded(trainer, self)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == 0:
            self._survey(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trained = trainer.current_epoch + 1
        if trained % self.every_n_epochs == 0 or trained == trainer.max_epochs:
            self._survey(trainer, pl_module, trained)

    @rank_zero_only
    def _survey(self, trainer: Trainer, pl_module: LightningModule, trained: int) -> None:
        start = time.perf_counter()
        net = copy.deepcopy(_classifier(pl_module).net)
        found = footprint.survey(net, _example(trainer, net), null=self.null, seed=self.seed)
        folder = Path(trainer.default_root_dir) / "footprint"
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / f"epoch={trained}.json", {"epoch": trained, **found.to_dict()})
        sizes = {layer.name or layer.kind: layer.statistic(_SIZE) for layer in found.layers}
        for logger in trainer.loggers:
            # With the last step of the epoch, as the other metrics of an epoch.
            logger.log_metrics(
                {f"footprint/{name}": size for name, size in sizes.items()}, step=max(trainer.global_step - 1, 0)
            )
        if sizes:
            rank_zero_info(
                f"kernels after {trained} epochs: 90 % of the mass within {min(sizes.values()):.0f} to "
                f"{max(sizes.values()):.0f} px, median {statistics.median(sizes.values()):.0f} px; surveyed in "
                f"{time.perf_counter() - start:.0f} s"
            )


class LocalityPenalty(Callback):
    """Adds strength * `nifconv.locality_penalty` to the loss and logs it as locality_penalty.

    Args:
        strength: factor of the penalty, at least 0.
        profile: growth of the penalty of a tap with its distance from the centre.

    Raises:
        ValueError: `strength` is negative, or the strategy shards the net.
    """

    def __init__(
        self, strength: float, profile: Literal["quadratic", "linear", "uniform", "inverted"] = "quadratic"
    ) -> None:
        if strength < 0:
            raise ValueError(f"strength={strength} must be at least 0; profile='inverted' favours far taps")
        self.strength = strength
        self.profile = profile

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        _check_not_sharded(trainer, self)
        if stage == "fit":
            classifier = _classifier(pl_module)
            sizes = map_sizes(classifier.net, _example(trainer, classifier.net))
            classifier.penalties["locality_penalty"] = lambda net: (
                self.strength * locality_penalty(net, self.profile, size=sizes)
            )


def map_sizes(net: nn.Module, example_input: Tensor) -> dict[str, tuple[int, ...]]:
    """The size of the largest input map of each frequency convolution, by its name."""
    names: dict[nn.Module, str] = {
        module: name for name, module in net.named_modules() if isinstance(module, FrequencyConv)
    }
    sizes: dict[str, tuple[int, ...]] = {}
    for module, size in forward.map_sizes(net, example_input, names):
        sizes[names[module]] = max(sizes.get(names[module], size), size, key=math.prod)
    return sizes


def _classifier(module: LightningModule) -> Classifier:
    if not isinstance(module, Classifier):
        raise TypeError(f"pl_module={type(module).__name__} must be an experiments.training.loop.classifier.Classifier")
    return module


def _check_not_sharded(trainer: Trainer, callback: Callback) -> None:
    if isinstance(trainer.strategy, FSDPStrategy | ModelParallelStrategy):
        raise ValueError(
            f"strategy={type(trainer.strategy).__name__} leaves no process with a whole net, which "
            f"{type(callback).__name__} reads; use strategy='ddp', or leave the callback out"
        )


def _example(trainer: Trainer, net: nn.Module) -> Tensor:
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, ImageData):
        raise TypeError(f"datamodule={type(data).__name__} must be an ImageData, whose size and channels are known")
    weight = next(net.parameters())
    return torch.zeros(1, data.channels, data.size, data.size, device=weight.device, dtype=weight.dtype)
