"""Which run a checkpoint is of: two runs may have one configuration.

A run draws an identity when it starts, which its folder and each of its checkpoints hold. So a folder may be moved or
copied as a whole; a copy is the same run, and the two may exchange checkpoints.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from experiments.files import write_text
from experiments.training.resume.checkpoints import checkpoint_folder, checkpoints

FILE = "identity.txt"
"""Name of the file in the folder of a run that holds its identity."""


def begin(folder: Path) -> None:
    """Draws an identity for a run that has none, unless it resumes from a checkpoint, whose identity it takes."""
    if not (folder / FILE).exists() and not checkpoints(checkpoint_folder(folder)):
        _write(folder, secrets.token_hex(8))


def stamp(folder: Path) -> dict[str, str]:
    """What a checkpoint says of its run."""
    if not (folder / FILE).exists():  # the user named a checkpoint, and there were others
        _write(folder, secrets.token_hex(8))
    return {"identity": identity_of(folder), "folder": str(folder)}


def check_identity(checkpoint: str | Path, stamped: Mapping[str, str], folder: Path) -> None:
    """Checks that a checkpoint is of the run in a folder; where the file is missing, the run is that of the checkpoint.

    Args:
        checkpoint: its path, for the message.
        stamped: what `stamp` returned when it was saved.
        folder: of the run.

    Raises:
        ValueError: it is of another run.
    """
    if not (folder / FILE).exists():
        _write(folder, stamped["identity"])
    elif stamped["identity"] != identity_of(folder):
        raise ValueError(
            f"{checkpoint} is a checkpoint of another run of this configuration: it was saved in {stamped['folder']} "
            f"as {stamped['identity']}, and {folder / FILE} says {identity_of(folder)}. Put the one of this run back, "
            "or remove it together with its checksum, and the same command resumes from the one before; to go on from "
            f"it all the same, give --ckpt_path {checkpoint}. A folder may be moved or copied as a whole"
        )


def identity_of(folder: Path) -> str:
    """The identity of the run in a folder."""
    return (folder / FILE).read_text(encoding="utf-8", errors="replace").strip()


@rank_zero_only
def _write(folder: Path, identity: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / FILE, f"{identity}\n")
