"""Descriptions of models, read from files that may be malicious or written by another version of this library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

ANOTHER_FILE = "give a file that Conversion.save or Baked.save wrote"


@contextmanager
def refused(source: str, reason: str, remedy: str = ANOTHER_FILE) -> Iterator[None]:
    """A context in which errors name the file: its checksum says that it is complete, not that nifconv wrote it."""
    try:
        yield
    except Exception as error:  # our classes may raise anything for arguments that were never meant for them
        found = f"{error!s:.200}" or type(error).__name__
        raise ValueError(f"{source!r} {reason} ({found}); {remedy}") from error


def check_size(name: str, module: nn.Module, numbers: int) -> None:
    """Checks that a module, built without memory, is no larger than the file that describes it.

    Raises:
        ValueError: it is.
    """
    wanted = sum(tensor.numel() for tensor in module.state_dict().values())
    if wanted > numbers:
        raise ValueError(f"{name!r} would have {wanted} numbers, but the whole file has {numbers}")
