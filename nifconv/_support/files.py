"""Files that are replaced as a whole."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A draft that takes the place of `path` once it is complete and on the disk; an error leaves no draft.

    Raises:
        FileNotFoundError: the folder of `path` does not exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{str(path)!r} cannot be written: {str(path.parent)!r} is not a folder; create it")
    path = path.resolve()  # follows links, which should point to the new content and not be replaced by it
    # In the same folder, since a file cannot be renamed to another disk in one step; and under a unique name, since two
    # processes that wrote one draft would publish a mixture.
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.draft")
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
