"""Options that several commands read."""

from __future__ import annotations

import re

import typer


def parse_pixels(option: str, text: str) -> tuple[int, ...]:
    """Reads the spatial size of an input: "224" -> (224, 224), "224x160", or "64x64x64".

    Raises:
        typer.BadParameter: `text` is something else.
    """
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){0,2}", text):
        raise typer.BadParameter(f"{text!r} must be pixels, such as 224 or 224x160", param_hint=option)
    numbers = tuple(int(number) for number in text.split("x"))
    return numbers * 2 if len(numbers) == 1 else numbers  # the side of a square; 1-d inputs cannot be written
