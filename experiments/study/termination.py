"""Exit status after SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities.exceptions import SIGTERMException


@contextmanager
def terminated_is_failed() -> Iterator[None]:
    """Inside, a training ended by SIGTERM exits with 143, as shells report it; Lightning's own status is success."""
    try:
        yield
    except SIGTERMException:
        raise SystemExit(128 + signal.SIGTERM) from None
