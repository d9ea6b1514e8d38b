"""Options that several commands read."""

from __future__ import annotations

import re

import typer

Pixels = int | tuple[int, ...]
"""A size in pixels: one number for all axes, or one for each."""


def parse_pixels(option: str, text: str) -> Pixels:
    """Reads a size in pixels: "224" -> 224, the side along every axis; "224x160" or "64x64x64" -> a tuple.

    Raises:
        typer.BadParameter: `text` is something else.
    """
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){0,2}", text):
        raise typer.BadParameter(f"{text!r} must be pixels, such as 224 or 224x160", param_hint=option)
    numbers = tuple(int(number) for number in text.split("x"))
    return numbers[0] if len(numbers) == 1 else numbers
