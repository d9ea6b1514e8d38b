"""Values as a reader sees them."""

from __future__ import annotations

from collections.abc import Sequence


def by_size(size: Sequence[int]) -> str:
    """`(56, 56) -> "56 x 56"`."""
    return " x ".join(map(str, size))
