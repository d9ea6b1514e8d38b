"""What the world learns when a command is asked to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities.exceptions import SIGTERMException


@contextmanager
def terminated_is_failed() -> Iterator[None]:
    """Inside, a training that SIGTERM ends gives the exit status of shells for it; Lightning's own says success."""
    try:
        yield
    except SIGTERMException:
        raise SystemExit(128 + signal.SIGTERM) from None
