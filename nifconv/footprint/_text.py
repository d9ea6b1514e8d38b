"""Sizes and names as text."""

from __future__ import annotations

from collections.abc import Sequence


def by_size(size: Sequence[int]) -> str:
    """`(56, 56) -> "56 x 56"`."""
    return " x ".join(map(str, size))


def short(name: str) -> str:
    """A name that fits into a title or a column: at most 24 characters, its beginning and its end."""
    return name if len(name) <= 24 else f"{name[:8]}..{name[-14:]}"
