import hashlib
import os
import pickle
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.training.resume.checkpoints import (
    DamagedCheckpointError,
    LastCheckpoints,
    VerifiedCheckpointIO,
    last_intact,
    verify,
)
from experiments.training.resume.state import read_states, write_states
from tests.experiments import commands

CONTENT = {"weights": torch.arange(1000.0)}


def write(folder: Path, steps: tuple[int, ...] = (5, 10, 100)) -> list[Path]:
    paths = [folder / f"epoch=0-step={step}.ckpt" for step in steps]
    for path in paths:
        VerifiedCheckpointIO().save_checkpoint(CONTENT, path)
    return paths


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (path,) = write(tmp_path, (5,))
    torch.testing.assert_close(VerifiedCheckpointIO().load_checkpoint(path), CONTENT)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.name}.sha256"}


def garble_the_checksum(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").write_bytes(b"\xff\xfe\x9c")


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, garble_the_checksum])
def test_the_one_before_a_damaged_checkpoint_is_taken_and_both_are_named(tmp_path: Path, damage: Any) -> None:
    paths = write(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert last_intact(tmp_path) == paths[-1]  # step 100 comes after step 10
    damage(paths[-1])
    with pytest.warns(UserWarning, match=r"step=100.ckpt is damaged.*Falling back to .*step=10.ckpt"):
        assert last_intact(tmp_path) == paths[1]
    with pytest.raises(DamagedCheckpointError, match=r"step=100.ckpt is damaged"):
        VerifiedCheckpointIO().load_checkpoint(paths[-1])


def test_where_all_are_damaged_nothing_is_deleted(tmp_path: Path) -> None:
    for path in write(tmp_path):
        truncate(path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        DamagedCheckpointError, match=r"step=5.*no intact checkpoint. Nothing was deleted.*resume=false"
    ):
        last_intact(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert last_intact(tmp_path / "nowhere") is None
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*nowhere"):
        verify(tmp_path / "nowhere")


def test_a_checkpoint_without_checksum_is_refused_and_accepted_with_one_by_sha256sum(tmp_path: Path) -> None:
    (path,) = write(tmp_path, (5,))
    beside = path.with_name(f"{path.name}.sha256")
    line = beside.read_text()
    beside.unlink()
    with pytest.raises(DamagedCheckpointError, match=r"sha256sum epoch=0-step=5.ckpt > epoch=0-step=5.ckpt.sha256"):
        verify(path)
    beside.write_text(line.replace("  ", " *"))  # as sha256sum writes it elsewhere
    verify(path)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = write(tmp_path, (5,))

    def half(_: object, file: Any) -> None:
        file.write(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="full"):
        write(tmp_path, (5,))
    verify(path)
    assert last_intact(tmp_path) == path
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.name}.sha256"}


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"step=200.ckpt could not be written .*No space left.* MiB are free .*resumes from"
    ):
        write(tmp_path, (200,))
    assert last_intact(tmp_path) == paths[-1]
    assert len(list(tmp_path.iterdir())) == 2 * len(paths)


def test_removing_a_checkpoint_removes_its_checksum(tmp_path: Path) -> None:
    (path,) = write(tmp_path, (5,))
    VerifiedCheckpointIO().remove_checkpoint(path)
    assert not list(tmp_path.iterdir())


def test_storage_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="storage_options='s3'"):
        VerifiedCheckpointIO().save_checkpoint(CONTENT, tmp_path / "a.ckpt", "s3")


@pytest.mark.parametrize(("argument", "value"), [("every_n_steps", 0), ("keep", 1)])
def test_too_few_checkpoints_are_refused(argument: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{argument}={value} must be at least"):
        LastCheckpoints(**{argument: value})


def test_all_generators_go_on_where_they_were(tmp_path: Path) -> None:
    def draw() -> tuple[float, ...]:
        return (random.random(), np.random.rand(), np.random.randn(), torch.rand(()).item())  # noqa: NPY002, S311

    draw()
    torch.save(read_states(), tmp_path / "states.pt")
    drawn = draw()
    assert draw() != drawn
    write_states(torch.load(tmp_path / "states.pt", weights_only=True))
    assert draw() == drawn


def test_a_run_keeps_the_last_checkpoints_and_falls_back(tmp_path: Path) -> None:
    def names() -> list[str]:
        return sorted(path.name for path in (tmp_path / "run" / "checkpoints").glob("*.ckpt"))

    command = commands.arguments(tmp_path / "run", "--checkpoints.every_n_steps", "3", "--checkpoints.keep", "4")
    commands.run(command)
    assert names() == [f"epoch=1-step={step}.ckpt" for step in (12, 15, 16, 9)]
    whole = commands.last(tmp_path / "run")["state_dict"]
    for step in (15, 16):
        truncate(tmp_path / "run" / "checkpoints" / f"epoch=1-step={step}.ckpt")
    with pytest.warns(
        UserWarning, match=r"step=16.ckpt is damaged.*step=15.ckpt is damaged.*Falling back to .*step=12"
    ):
        commands.run(command)
    assert names() == [f"epoch=1-step={step}.ckpt" for step in (12, 15, 16, 9)]
    again = commands.last(tmp_path / "run")["state_dict"]
    assert all(torch.equal(again[name], value) for name, value in whole.items())
    verify(tmp_path / "run" / "checkpoints" / "epoch=1-step=15.ckpt")


def test_a_checkpoint_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path, (5, 6))
    for ending in ("", ".sha256"):
        first.with_name(first.name + ending).replace(second.with_name(second.name + ending))
    with pytest.raises(DamagedCheckpointError, match=r"step=6.ckpt is another file: .* of 'epoch=0-step=5.ckpt'"):
        verify(second)


class _Code:
    def __reduce__(self) -> Any:
        return print, ("code ran",)


@pytest.mark.parametrize("content", [pickle.dumps(_Code(), protocol=2), b"", b"no checkpoint"])
def test_a_pickle_with_code_is_refused_under_the_right_checksum(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = write(tmp_path, (5,))
    path.write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{checksum}  {path.name}\n")
    with pytest.raises(DamagedCheckpointError, match=r"step=5.ckpt has the right checksum, but .*Remove it together"):
        VerifiedCheckpointIO().load_checkpoint(path)
    assert "code ran" not in capsys.readouterr().out
