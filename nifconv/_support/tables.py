"""Tables as plain text and as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

_GAP = "  "


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Columns of plain text, the first aligned to the left and the others to the right; headings are wrapped.

    Columns that do not fit into `width` follow below in another block, which repeats the first column. No cell is cut.
    """
    columns = [_column(title, [row[i] for row in rows]) for i, title in enumerate(header)]
    tall = max(len(column) for column in columns)
    padded = [[""] * (tall - len(column)) + column for column in columns]
    blocks = _blocks([max(map(len, column)) for column in padded], width)
    return "\n\n".join(_lines([padded[0], *(padded[i] for i in block)]) for block in blocks)


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as an HTML table for notebooks; all text is escaped."""
    head = "".join(f"<th>{escape(title)}</th>" for title in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _blocks(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Indices of the columns after the first, in blocks that fit; a block has at least one."""
    blocks: list[list[int]] = [[]]
    used = widths[0]
    for index in range(1, len(widths)):
        needed = len(_GAP) + widths[index]
        if width is not None and blocks[-1] and used + needed > width:
            blocks.append([])
            used = widths[0]
        blocks[-1].append(index)
        used += needed
    return blocks


def _lines(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in columns]
    lines = [
        _GAP.join(f"{cell:{'>' if i else '<'}{size}}" for i, (cell, size) in enumerate(zip(line, widths, strict=True)))
        for line in zip(*columns, strict=True)
    ]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _column(title: str, cells: list[str]) -> list[str]:
    """The heading, in lines as wide as the cells or its longest word, and the cells."""
    words = title.replace(" %", "\u00a0%").split(" ")
    width = max(map(len, [*words, *cells]))
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(" ".join(words), max(width, 1))] + cells
