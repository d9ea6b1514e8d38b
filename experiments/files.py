"""Files on disk: written as a whole or not at all, and only into folders of our own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nifconv._support.files import replacing


def claim_folder(folder: Path, experiment: str, names: Iterable[str]) -> None:
    """Makes sure that `folder` exists and that writing `names` into it replaces nothing but earlier results.

    Files with other names are left alone. Files with these names may be replaced only if `results.json` says that they
    come from the same experiment.

    Raises:
        NotADirectoryError: `folder`, or a parent of it, is a file.
        FileExistsError: one of the names is taken by a file that is not ours.
    """
    check_can_be_folder(folder)
    taken = [name for name in names if (folder / name).exists()]
    if taken and (read_json(folder / "results.json") or {}).get("experiment") != experiment:
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


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that a reader, or an interruption, sees the old content or the new one."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Writes text in the same way, as UTF-8."""
    write_bytes(path, text.encode())


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
