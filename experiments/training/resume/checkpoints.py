"""Checkpoints that survive a crash: written completely or not at all, and verified when read."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from experiments.files import write_bytes
from experiments.training.resume.ending import Ending
from nifconv._support.files import replacing

_SUFFIX, _CHECKSUM = ".ckpt", ".sha256"
_STEP = re.compile(r"step=(\d+)\.ckpt$")


class VerifiedCheckpointIO(CheckpointIO):
    """Writes a checkpoint and, beside it, its SHA-256 in the format of `sha256sum`.

    A reader, a crash or a power failure sees the old file or the new one: both are written under another name, forced
    to the disk, and renamed.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        if storage_options is not None:
            raise TypeError(f"storage_options={storage_options!r} is not supported for local files; leave it out")
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(path) as file:
                torch.save(checkpoint, file)
                file.flush()
                # The checksum first: after a crash in between there is no checkpoint that lacks one.
                write_bytes(_checksum_path(path), f"{_sha256(Path(file.name))}  {path.name}\n".encode())
        except (OSError, RuntimeError) as error:  # torch turns the former into the latter
            free = shutil.disk_usage(path.parent).free // 2**20
            raise OSError(
                f"{path} could not be written ({error}); {free} MiB are free there. Earlier checkpoints are "
                "intact: free some space, and the same command resumes from the last one."
            ) from error
        _force_folder(path.parent)

    def load_checkpoint(
        self, path: str | Path, map_location: Callable | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        verify(Path(path))
        try:
            return torch.load(path, map_location=map_location or "cpu", weights_only=weights_only is not False)
        except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError) as error:
            raise DamagedCheckpointError(
                f"{path} has the right checksum, but holds no checkpoint, or code besides ({type(error).__name__}). "
                f"Remove it together with its {_CHECKSUM} file, and the same command resumes from the one before."
            ) from error

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)
        _checksum_path(Path(path)).unlink(missing_ok=True)


class LastCheckpoints(Checkpoint):
    """Saves the whole state of a training after each epoch, at regular intervals within it, and when asked to end.

    After SIGINT or SIGTERM all processes end with the step that they are in, with the status of that signal; a second
    Ctrl-C ends a process at once. A validation is finished first.

    Args:
        every_n_steps: number of optimiser steps between checkpoints within an epoch; by default there are none.
        keep: number of checkpoints to retain, at least 2, so that there is one to fall back on.

    Raises:
        ValueError: `every_n_steps` or `keep` is too small.
    """

    def __init__(self, every_n_steps: int | None = None, keep: int = 3) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"every_n_steps={every_n_steps} must be at least 1; leave it out for epochs only")
        if keep < 2:
            raise ValueError(f"keep={keep} must be at least 2, so that a damaged checkpoint has one before it")
        self.every_n_steps = every_n_steps
        self.keep = keep
        self._step = self._saved_step = 0
        self._ending = Ending()
        self._leaving = 0  # with this signal

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._ending.hold()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._ending.listen()

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._ending.listen()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._ending.listen()
        self._step = self._saved_step = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        # With accumulated gradients several batches end at the same step; no gradient is pending only after the first.
        # The last batch of an epoch is saved after the validation, with the epoch.
        if trainer.global_step == self._step or trainer.is_last_batch:
            return
        self._step = trainer.global_step
        self._leaving = self._ending.agreed(trainer)
        if self._leaving or (self.every_n_steps is not None and self._step % self.every_n_steps == 0):
            self._save(trainer)

    def on_train_batch_start(self, *_: Any) -> None:
        # Not right after saving: Lightning logs a step, and an epoch, after the hooks at its end.
        if self._leaving:
            raise SystemExit(128 + self._leaving)  # the status that shells report for a signal

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        # On the first process, the progress bar waits for the metrics of the other processes. They must be computed
        # before all processes meet to save, or there is a deadlock.
        _ = trainer.callback_metrics
        if trainer.global_step != self._saved_step:
            self._save(trainer)
        self._leaving = self._ending.agreed(trainer)

    def _save(self, trainer: Trainer) -> None:
        folder = checkpoint_folder(Path(trainer.default_root_dir))
        name = f"epoch={trainer.current_epoch}-step={trainer.global_step}{_SUFFIX}"
        trainer.save_checkpoint(folder / name, weights_only=False)
        self._saved_step = trainer.global_step
        if trainer.is_global_zero:
            # Later steps are from before a fall-back; this training has not reached them yet.
            earlier = [path for path in checkpoints(folder) if step_of(path) <= trainer.global_step]
            for path in earlier[: -self.keep]:
                trainer.strategy.remove_checkpoint(path)


class DamagedCheckpointError(Exception):
    """A checkpoint differs from what was written."""


def checkpoint_folder(run: Path) -> Path:
    """Where a run keeps its checkpoints."""
    return run / "checkpoints"


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints in a folder, damaged ones included, the earliest first."""
    return sorted((path for path in folder.glob(f"*{_SUFFIX}") if _STEP.search(path.name)), key=step_of)


def last_intact(folder: Path) -> Path | None:
    """The last intact checkpoint, with a warning if later ones are damaged; None if there are no checkpoints.

    Raises:
        DamagedCheckpointError: there are checkpoints, but none is intact. Nothing is deleted.
    """
    damaged: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            verify(path)
        except DamagedCheckpointError as error:
            damaged.append(str(error))
            continue
        if damaged:
            warnings.warn(f"{' '.join(damaged)} Falling back to {path}.", stacklevel=2)
        return path
    if damaged:
        raise DamagedCheckpointError(
            f"{' '.join(damaged)} {folder} has no intact checkpoint. Nothing was deleted; restore one of them with its "
            f"{_CHECKSUM} file, or start over with --resume=false, which renames this folder."
        )
    return None


def step_of(path: Path) -> int:
    """The optimiser steps before a checkpoint, from its name; -1 if it has none."""
    found = _STEP.search(path.name)
    return int(found[1]) if found else -1


def verify(path: Path) -> None:
    """Compares a checkpoint with its checksum.

    Raises:
        FileNotFoundError: the checkpoint does not exist.
        DamagedCheckpointError: the checksum differs or is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    beside = _checksum_path(path)
    if not beside.is_file():
        raise DamagedCheckpointError(
            f"{path} cannot be verified without {beside.name}; if you trust the file, write one with `sha256sum "
            f"{path.name} > {beside.name}`."
        )
    checksum, _, name = beside.read_text(encoding="utf-8", errors="replace").partition(" ")
    if checksum != _sha256(path):
        raise DamagedCheckpointError(f"{path} is damaged: its checksum is not the one in {beside.name}.")
    if name.strip().lstrip("*") != path.name:
        raise DamagedCheckpointError(f"{path} is another file: {beside.name} is the checksum of {name.strip()!r}.")


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + _CHECKSUM)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _force_folder(folder: Path) -> None:
    """Forces renamings in a folder to the disk, except on systems that cannot open folders, such as Windows."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
