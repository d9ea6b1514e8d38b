"""Two runs of one configuration are two runs; a folder that was moved or copied as a whole is the same one."""

import shutil
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from experiments.training.resume import runs
from experiments.training.resume.checkpoints import VerifiedCheckpointIO, checkpoint_folder, checkpoints
from experiments.training.resume.identity import FILE, identity_of
from tests.experiments import commands


class Stop(Callback):
    """Asks the training to end after a step, which is no part of the configuration."""

    after = 0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == Stop.after:
            signal.raise_signal(signal.SIGTERM)


def run(out: Path, *more: str, until: int = 0) -> None:
    """A training of three steps with a checkpoint after each, which may end earlier."""
    Stop.after = until
    steps = ("--checkpoints.every_n_steps", "1", "--trainer.max_steps", "3", "--trainer.limit_val_batches", "0")
    with pytest.raises(SystemExit) if until else nullcontext():
        commands.run(commands.arguments(out, *steps, f"--trainer.callbacks+={__name__}.Stop", *more))


def put(checkpoint: Path, out: Path) -> Path:
    """Copies a checkpoint and its checksum into another run."""
    for name in (checkpoint.name, f"{checkpoint.name}.sha256"):
        shutil.copy(checkpoint.with_name(name), checkpoint_folder(out))
    return checkpoint_folder(out) / checkpoint.name


def test_a_checkpoint_of_a_run_of_the_same_configuration_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    run(ours, until=1)
    run(theirs)
    foreign = put(checkpoints(checkpoint_folder(theirs))[1], ours)
    before = sorted(checkpoint_folder(ours).iterdir())
    with pytest.raises(ValueError, match=f"{foreign} is a checkpoint of another run of this configuration") as error:
        run(ours)
    for part in (f"saved in {theirs} as {identity_of(theirs)}", f"{ours / FILE} says {identity_of(ours)}"):
        assert part in str(error.value)
    for remedy in ("remove it together with its checksum", f"--ckpt_path {foreign}", "moved or copied as a whole"):
        assert remedy in str(error.value)
    assert sorted(checkpoint_folder(ours).iterdir()) == before
    run(ours, "--ckpt_path", str(foreign))
    run(ours)  # what it saved since is its own
    assert commands.last(ours)["global_step"] == 3


def test_a_folder_that_was_moved_or_copied_goes_on(tmp_path: Path) -> None:
    run(tmp_path / "first", until=1)
    shutil.copytree(tmp_path / "first", tmp_path / "copied")
    runs._held.pop((tmp_path / "first").resolve()).release()  # as if this process had ended
    (tmp_path / "first").rename(tmp_path / "moved")
    for name in ("copied", "moved"):
        run(tmp_path / name)
        assert commands.last(tmp_path / name)["global_step"] == 3
    commands.assert_same_weights(tmp_path / "copied", tmp_path / "moved")
    assert identity_of(tmp_path / "copied") == identity_of(tmp_path / "moved")


def test_starting_over_is_another_run_and_the_earlier_one_can_be_put_back(tmp_path: Path) -> None:
    run(tmp_path, until=1)
    first = identity_of(tmp_path)
    run(tmp_path, "--resume", "false", until=1)
    assert identity_of(tmp_path) != first
    assert (tmp_path / f"{FILE}.1").read_text().strip() == first
    put(checkpoints(tmp_path / "checkpoints.1")[-1], tmp_path)
    with pytest.raises(ValueError, match=f"saved in {tmp_path} as {first}"):
        run(tmp_path)


def test_where_the_file_is_gone_the_run_is_that_of_its_checkpoints(tmp_path: Path) -> None:
    run(tmp_path, until=1)
    first = identity_of(tmp_path)
    (tmp_path / FILE).unlink()
    run(tmp_path)
    assert identity_of(tmp_path) == first


def test_a_checkpoint_from_before_runs_had_an_identity_is_taken(tmp_path: Path) -> None:
    run(tmp_path, until=1)
    (path,) = checkpoints(checkpoint_folder(tmp_path))
    VerifiedCheckpointIO().save_checkpoint({key: x for key, x in torch.load(path).items() if key != "run"}, path)
    run(tmp_path)
    assert commands.last(tmp_path)["global_step"] == 3
