"""Names and tables as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape


def short(name: str) -> str:
    """A name that fits into a title or a column: at most 24 characters, its beginning and its end."""
    return name if len(name) <= 24 else f"{name[:8]}..{name[-14:]}"  # more of the end, where layers of a stage differ


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of plain text, the first aligned to the left and the others to the right; headings are wrapped."""
    columns = [_column(title, [row[i] for row in rows]) for i, title in enumerate(header)]
    tall = max(len(column) for column in columns)
    padded = [[""] * (tall - len(column)) + column for column in columns]  # short headings stand just above the cells
    widths = [max(map(len, column)) for column in padded]
    lines = [
        "  ".join(
            f"{cell:{'>' if i else '<'}{width}}" for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in zip(*padded, strict=True)
    ]
    return "\n".join(line.rstrip() for line in lines)


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as an HTML table for notebooks; all text is escaped."""
    head = "".join(f"<th>{escape(title)}</th>" for title in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _column(title: str, cells: list[str]) -> list[str]:
    """The heading, wrapped to the width of the cells or of its longest word, and the cells."""
    words = title.replace(" %", "\u00a0%").split(" ")  # a percent sign stays on the line of its number
    width = max(map(len, [*words, *cells]))
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(" ".join(words), width)] + cells
