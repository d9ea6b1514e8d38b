"""Files that are replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A draft that takes the place of `path` once it is complete and on the disk; an error leaves no draft."""
    # In the same folder, since a file cannot be renamed to another disk in one step.
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            # Without this, a power failure after the renaming could leave an empty file under the final name.
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:  # an interrupted command leaves no draft either
        draft.unlink(missing_ok=True)
        raise
