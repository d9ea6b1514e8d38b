"""Sizes and names as text."""

from __future__ import annotations


def short(name: str) -> str:
    """A name that fits into a title or a column: at most 24 characters, its beginning and its end."""
    return name if len(name) <= 24 else f"{name[:8]}..{name[-14:]}"
