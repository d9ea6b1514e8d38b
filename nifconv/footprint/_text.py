"""Sizes, names and tables as text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def by_size(size: Sequence[int]) -> str:
    """`(56, 56) -> "56 x 56"`."""
    return " x ".join(map(str, size))


def short(name: str) -> str:
    """A name that fits into a title or a column: at most 24 characters, its beginning and its end."""
    return name if len(name) <= 24 else f"{name[:8]}..{name[-14:]}"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of plain text, the first aligned to the left and the others to the right, headings broken at spaces."""
    titles = [title.split(" ") for title in header]
    tall = max(map(len, titles))
    lines = [[words[i - tall] if len(words) >= tall - i else "" for words in titles] for i in range(tall)]
    cells = [*lines, *rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    aligned = [
        "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(line, widths)))  # noqa: B905
        for line in cells
    ]
    return "\n".join(line.rstrip() for line in aligned)


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as an HTML table for notebooks; all text is escaped."""
    head = "".join(f"<th>{escape(title)}</th>" for title in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
