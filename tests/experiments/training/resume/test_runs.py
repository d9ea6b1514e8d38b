"""The folder of a run: whose it is, and which configuration it holds."""

import signal
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout
from torch import nn

from experiments.training.data.module import ImageData
from experiments.training.resume import runs
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints
from tests.experiments import commands


def three() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def test_a_finished_run_is_left_as_it_is_and_another_one_is_refused(tmp_path: Path) -> None:
    run = commands.arguments(tmp_path / "run", "--trainer.max_epochs", "1")
    commands.run(run)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "checkpoints").iterdir()}
    commands.run([*run, "--data.workers", "1"])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "checkpoints").iterdir()} == before
    with pytest.raises(ValueError, match=r"model.label_smoothing was 0.0 and is 0.1; .*--resume=false") as error:
        commands.run([*run, "--model.label_smoothing", "0.1", "--net.arguments.width", "4"])
    assert "net.arguments.width was 8 and is 4" in str(error.value)
    commands.run([*run, "--model.label_smoothing", "0.1", "--resume", "false"])
    assert {path.name for path in (tmp_path / "run" / "checkpoints.1").iterdir()} == {path.name for path in before}
    commands.run([*run, "--model.label_smoothing", "0.1", "--resume", "false"])
    assert (tmp_path / "run" / "checkpoints.2").is_dir()


@pytest.mark.parametrize("damage", [b"", b"net: {name: [", b"\xff\xfe", b"[1]"])
def test_a_damaged_configuration_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(damage)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epoch=0-step=8.ckpt").touch()
    with pytest.raises(
        ValueError, match=r"config.yaml (cannot be read|holds).*; restore it, delete it .*--resume=false"
    ):
        commands.run(commands.arguments(tmp_path))


def test_a_run_that_failed_before_its_first_checkpoint_binds_nobody(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the network returns"):
        commands.run(commands.arguments(tmp_path, "--net.name", f"{__name__}:three", "--net.arguments", "{}"))
    assert (tmp_path / "config.yaml").is_file()
    commands.run(commands.arguments(tmp_path, "--limit", "1", "--model.label_smoothing", "0.1"))
    assert commands.last(tmp_path)["global_step"] == 1


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_PATIENCE", 0.0)
    with FileLock(tmp_path / ".lock"), pytest.raises(ValueError, match=r"out='.*' is in use by another process"):
        runs.reserve(tmp_path)
    runs.reserve(tmp_path)
    runs.reserve(tmp_path)
    with pytest.raises(Timeout):
        FileLock(tmp_path / ".lock", timeout=0).acquire()


def test_where_nothing_can_be_locked_a_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(FileLock, "acquire", without)
    with pytest.warns(UserWarning, match=f"{tmp_path} cannot be locked"):
        runs.reserve(tmp_path)


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(FileLock, "acquire", forbidden)  # root may write anywhere
    with pytest.raises(ValueError, match=rf"out='{tmp_path}' is read-only \(Permission denied\); allow writing, or"):
        runs.reserve(tmp_path)


def test_images_that_changed_are_named_before_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageData, "contents", "as they were")
    ask = ["--trainer.callbacks.step", "3", f"--trainer.callbacks.marker={tmp_path / 'asked'}"]
    ask += ["--trainer.callbacks.by", str(signal.SIGTERM.value)]
    run = commands.arguments(tmp_path / "run", "--trainer.callbacks+=tests.experiments.crash.CrashOnce", *ask)
    with pytest.raises(SystemExit):
        commands.run(run)
    monkeypatch.setattr(ImageData, "contents", "as they are")
    monkeypatch.setattr(ImageData, "place", "a/folder")
    with pytest.raises(
        ValueError, match=r"training images in a/folder have changed since .*step=3\.ckpt.*--resume=false"
    ):
        commands.run(run)
    monkeypatch.setattr(ImageData, "contents", "as they were")
    commands.run(run)
    assert commands.last(tmp_path / "run")["global_step"] == 16


def test_a_checkpoint_of_another_run_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    def run(name: str, *more: str) -> list[str]:
        return commands.arguments(tmp_path / name, "--checkpoints.every_n_steps", "4", *more)

    commands.run(run("whole"))
    commands.run(run("other", "--seed_everything", "1", "--data.seed", "2"))
    ours, theirs = (checkpoint_folder(tmp_path / name) for name in ("whole", "other"))
    expected = commands.last(tmp_path / "whole")["state_dict"]
    last = checkpoints(ours)[-1]
    for name in (last.name, f"{last.name}.sha256"):
        (theirs / name).replace(ours / name)
    with pytest.raises(
        ValueError,
        match=rf"{last} is a checkpoint of another run: data.init_args.seed was 2 and is 0; seed_everything was 1 and "
        r"is 0\. .*remove it together with its checksum",
    ):
        commands.run(run("whole"))
    for name in (last.name, f"{last.name}.sha256"):
        (ours / name).unlink()
    commands.run(run("whole"))
    found = commands.last(tmp_path / "whole")["state_dict"]
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    named = checkpoints(theirs)[-1]
    commands.run([*run("whole"), "--ckpt_path", str(named)])  # whoever names one wants it
