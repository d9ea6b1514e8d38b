"""Results on disk: a folder of our own files among those of others, and JSON written whole or not at all."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch


def environment() -> dict[str, Any]:
    """What a result may depend on besides its settings."""
    return {"torch": torch.__version__, "python": platform.python_version(), "threads": torch.get_num_threads()}


def processor() -> str:
    """What this machine computes with, for timings."""
    return f"{platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"


def claim_folder(folder: Path, experiment: str, names: Iterable[str]) -> None:
    """Makes sure that `folder` exists and that writing `names` into it replaces nothing but earlier results.

    Files of other names are left alone. Files of these names may be replaced only where `results.json` says that they
    come from the same experiment.

    Raises:
        NotADirectoryError: `folder`, or a parent of it, is a file.
        FileExistsError: one of the names is taken by a file that is not ours.
    """
    check_can_be_folder(folder)
    taken = [name for name in names if (folder / name).exists()]
    if taken and not _is_ours(folder / "results.json", experiment):
        raise FileExistsError(
            f"{folder} holds {taken[0]!r}, which is not a result of {experiment!r} and would be replaced; choose "
            "another folder, or move the file"
        )
    folder.mkdir(parents=True, exist_ok=True)


def check_can_be_folder(folder: Path) -> None:
    """Makes sure that no file is in the way.

    Raises:
        NotADirectoryError: `folder`, or a parent of it, is a file.
    """
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"{path} is a file, but must be a folder; choose another one")


def write_text(path: Path, text: str) -> None:
    """Writes a file such that a reader, or an interruption, sees the old one or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Likewise for bytes."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file under another name that takes the place of `path` when it is whole and on the disk; an error leaves none.

    Without forcing it to the disk a power failure could leave an empty file under the new name.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Writes plain data as JSON; NaN and infinity are errors, as no other program could read them."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """What `write_json` wrote, or None if the file is missing or damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _is_ours(path: Path, experiment: str) -> bool:
    data = read_json(path)
    return data is not None and data.get("experiment") == experiment
