"""Additions to the checkpoints of Lightning that make a resumed training equal to an uninterrupted one."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from experiments.training.data.module import ImageData

_KEY = "exact_resume"


class ExactResume(Callback):
    """Saves and restores the random number generators of every process, and the position in the epoch.

    Lightning itself restores the position only if nothing needs the number of steps before the checkpoint is read;
    every schedule needs it.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Any] | None = None

    def on_save_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        states: list[Any] = [read_states()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, read_states())
        loader = trainer.train_dataloader.state_dict()  # type: ignore[union-attr]
        checkpoint[_KEY] = {"random": states, "loader": loader, "contents": _contents(trainer.datamodule)}  # type: ignore[attr-defined]

    def on_load_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        self._loaded = checkpoint.get(_KEY)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if self._loaded is None:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        if self._loaded["contents"] != _contents(data):
            raise ValueError(
                f"the training images in {data.place} have changed since {trainer.ckpt_path} was written: some were "
                "altered, added, removed or moved to another class. Restore them to resume, or start over with "
                "--resume=false"
            )
        trainer.train_dataloader.load_state_dict(self._loaded["loader"])  # type: ignore[union-attr]
        # Not in on_load_checkpoint: what Lightning sets up after it may draw random numbers.
        if len(self._loaded["random"]) == trainer.world_size:
            write_states(self._loaded["random"][trainer.global_rank])
        self._loaded = None


def _contents(data: Any) -> str:
    """What a data module says of its images; those outside `experiments.train` say nothing."""
    return data.contents if isinstance(data, ImageData) else ""


def read_states() -> dict[str, Any]:
    """The states of this process's generators, as tensors and numbers, which `weights_only` allows to load."""
    version, words, gauss = random.getstate()
    drawn = np.random.get_state(legacy=False)  # noqa: NPY002 - others use the global one
    key = torch.from_numpy(drawn["state"]["key"].astype(np.int64))
    return {
        "python": (version, torch.tensor(words), gauss),
        "numpy": {**drawn, "state": {"key": key, "pos": drawn["state"]["pos"]}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def write_states(states: dict[str, Any]) -> None:
    """Sets all generators to what `read_states` returned."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    saved = states["numpy"]
    key = saved["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**saved, "state": {"key": key, "pos": saved["state"]["pos"]}})  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
