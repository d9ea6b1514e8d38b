"""The folder of a run: its saved configuration, and its lock."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, Namespace, SaveConfigCallback
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.rank_zero import rank_zero_only, rank_zero_warn

from experiments.files import write_text
from experiments.training.resume.identity import begin, check_identity, stamp

_CONFIG, _LOCK, _KEY, _RUN = "config.yaml", ".lock", "config", "run"
_PATIENCE = 20.0
"""Seconds in which the workers of a killed process end; they hold its lock until then."""
_FREE = (
    "config",
    "out",
    "resume",
    "ckpt_path",
    "data.init_args.root",
    "data.init_args.workers",
    "trainer.default_root_dir",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.logger",
    "trainer.profiler",
)
"""Keys of locations and display, which do not change what is trained."""
_RESTORE = "restore it, delete it to resume with the configuration of this command, or start over with --resume=false"
_held: dict[Path, FileLock] = {}
"""Locks of the folders in which this process trains."""


class SaveConfig(SaveConfigCallback):
    """Writes configuration and identity into the folder of the run at the start of `fit`, and into each checkpoint.

    A checkpoint with another configuration or identity than its folder is refused, unless the user names it.
    """

    @cached_property
    def _text(self) -> str:
        # Once: it takes as long as several steps of a small training.
        return self.parser.dump(self.config)

    @cached_property
    def _content(self) -> Any:
        return yaml.safe_load(self._text)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        if stage == "fit":
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / _CONFIG, self._text)
            begin(folder)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        checkpoint[_KEY] = self._content
        if trainer.is_global_zero:  # which alone writes checkpoints
            checkpoint[_RUN] = stamp(Path(trainer.default_root_dir))

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        # Whoever names a checkpoint may want one of another run.
        if trainer.state.fn != TrainerFn.FITTING or self.config.ckpt_path is not None:
            return
        if differences := _differences(checkpoint[_KEY], self.parser, self.config) if _KEY in checkpoint else "":
            raise ValueError(
                f"{trainer.ckpt_path} is a checkpoint of another run: {differences}. Put the one of this run back, or "
                "remove it together with its checksum, and the same command resumes from the one before"
            )
        if _RUN in checkpoint:
            check_identity(str(trainer.ckpt_path), checkpoint[_RUN], Path(trainer.default_root_dir))


def check_same_run(out: Path, parser: LightningArgumentParser, config: Namespace) -> None:
    """Checks that the run in a folder, if there is one, has the given configuration.

    Raises:
        ValueError: the saved configuration differs, or cannot be read.
    """
    saved_path = out / _CONFIG
    if not saved_path.exists():
        return
    differences = _differences(_read(saved_path), parser, config)
    if differences:
        raise ValueError(
            f"out={str(out)!r} holds a run with another configuration: {differences}. Choose another --out, resume "
            f"with --config {saved_path}, or start over with --resume=false"
        )


@rank_zero_only
def reserve(out: Path) -> None:
    """Locks a folder for training until this process ends.

    Raises:
        ValueError: another process trains in it, or this one may not write there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        _held.setdefault(out.resolve(), FileLock(out / _LOCK)).acquire(timeout=_PATIENCE)
    except PermissionError as error:
        raise ValueError(f"out={str(out)!r} is read-only ({error}); allow writing, or choose another --out") from error
    except Timeout:
        raise ValueError(
            f"out={str(out)!r} is in use by another process; wait until it ends, or choose another --out"
        ) from None
    except NotImplementedError:  # file systems of some clusters have no locks
        rank_zero_warn(f"{out} cannot be locked; make sure that no other process trains there.")


@rank_zero_only
def set_aside(path: Path) -> None:
    """Renames a folder or file, so that its name becomes free."""
    if path.exists():
        number = 1
        while (aside := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        path.rename(aside)


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read ({reason}); {_RESTORE}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds {config!r} instead of a configuration; {_RESTORE}")
    return config


def _differences(saved: dict[str, Any], parser: LightningArgumentParser, config: Namespace) -> str:
    """What would change the training, in words; empty if nothing does."""
    was, now = _flat(saved), _flat(yaml.safe_load(parser.dump(config)))
    keys = sorted(key for key in was.keys() | now.keys() if not _is_free(key) and was.get(key) != now.get(key))
    return "; ".join(f"{key} was {was.get(key)!r} and is {now.get(key)!r}" for key in keys)


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in _FREE)


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    if not isinstance(config, dict) or not config:
        return {prefix: config}
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
