"""What may happen to the folder of a run: each is done to it, and the run is then started again."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from experiments.soak.runs import Run, photographs
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints


def resumed(out: Path, options: tuple[str, ...] = (), **limits: Any) -> Run:
    """The run on image files in a folder, from where it is."""
    return Run(out, options, photographs(out.parent / "images"), **limits)


def name_of(spoil: Callable[[Path], Run]) -> str:
    """What is done, in words."""
    return (spoil.__doc__ or "").rstrip(".")


def _full_disk(out: Path) -> Run:
    """The disk is full (no file may exceed 4 kB)."""
    return resumed(out, bytes_written=4096)


def _read_only(out: Path) -> Run:
    """The folder may be read, not written."""
    for path in (out, *out.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return resumed(out, as_nobody=os.getuid() == 0)


def _two_in_one(out: Path) -> Run:
    """Another process trains in the folder."""
    lock = FileLock(out / ".lock")
    lock.acquire()
    run = resumed(out)
    run.processes[0].join()
    lock.release()
    return run


def _damaged(out: Path) -> Run:
    """The last checkpoint is damaged."""
    _flip(checkpoints(checkpoint_folder(out))[-1])
    return resumed(out)


def _all_damaged(out: Path) -> Run:
    """All checkpoints are damaged."""
    for path in checkpoints(checkpoint_folder(out)):
        _flip(path)
    return resumed(out)


def _exchanged(out: Path) -> Run:
    """The last two checkpoints are exchanged, with their checksums."""
    first, second = checkpoints(checkpoint_folder(out))[-2:]
    for ending in ("", ".sha256"):
        one, other = (path.with_name(path.name + ending) for path in (first, second))
        other.rename(out / "between")
        one.rename(other)
        (out / "between").rename(one)
    return resumed(out)


def _of_another_run(out: Path) -> Run:
    """The last checkpoint is that of a run with another seed, with its checksum."""
    return _with_checkpoint_of(out, "--seed_everything", "1")


def _of_a_twin(out: Path) -> Run:
    """The last checkpoint is that of another run of the same configuration, with its checksum."""
    return _with_checkpoint_of(out)


def _with_checkpoint_of(out: Path, *options: str) -> Run:
    other = out.parent / "other"
    shutil.rmtree(other, ignore_errors=True)
    resumed(other, options).wait()
    last = checkpoints(checkpoint_folder(other))[-1]
    for name in (last.name, f"{last.name}.sha256"):
        shutil.copy(last.with_name(name), checkpoint_folder(out))
    return resumed(out)


def _changed(out: Path) -> Run:
    """A training image was removed."""
    return _with_images(out, lambda image: image.unlink())


def _altered(out: Path) -> Run:
    """A byte of a training image has another value."""
    return _with_images(out, _flip)


def _with_images(out: Path, change: Callable[[Path], None]) -> Run:
    shutil.copytree(out.parent / "images", out / "images")
    change(out / "images" / "train" / "0" / "0.png")
    return Run(out, (), photographs(out / "images"))


def _code(out: Path) -> Run:
    """The last checkpoint is a pickle with code, under its checksum."""
    _replace(checkpoints(checkpoint_folder(out))[-1], pickle.dumps(_Code()))
    run = resumed(out)
    run.processes[0].join()
    if Path("/tmp/code_ran").exists():  # noqa: S108 - where the pickle would write
        raise RuntimeError("a checkpoint ran code")
    return run


class _Code:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/code_ran",)


SPOILS = (
    *(_full_disk, _read_only, _two_in_one, _damaged, _all_damaged, _exchanged, _of_another_run, _of_a_twin, _code),
    *(_changed, _altered),
)
SMOKE = (_two_in_one,)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _replace(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{checksum}  {path.name}\n")
