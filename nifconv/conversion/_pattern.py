"""Patterns of names."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_REGULAR = "re:"


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern, that of fnmatch or after "re:" a regular expression, matches the whole name.

    Raises:
        ValueError: the regular expression is invalid.
    """
    if not pattern.startswith(_REGULAR):
        return fnmatchcase(name, pattern)
    try:
        return re.fullmatch(pattern.removeprefix(_REGULAR), name) is not None
    except re.error as error:
        raise ValueError(
            f"{pattern!r} is not a regular expression: {error}; leave out 're:' for a pattern of fnmatch"
        ) from error


def is_pattern(key: str) -> bool:
    """Whether a key can match names other than itself."""
    return key.startswith(_REGULAR) or any(character in key for character in "*?[")
