"""REPORT.md from results.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.study.report import head, row

_TEXT = """# The fused kernels, as compiled

What compilers make of the kernels of `nifconv.spectral.fused` for four architectures, without a GPU. Nothing here is a
measurement of speed.

## What a program needs

Registers of a thread / bytes that a thread spills / KiB of shared memory / programs on a multiprocessor at a time, and
the matrix instruction. A dash marks what needs too much, and what torch.fft therefore computes.

{needs}

## Counted from the code

For one plane: bytes read from memory and written to it, bytes of transforms and coefficients read from the cache,
operations of the matrix products on the whole tile, and those operations for each byte of memory.

{counted}

Triton {triton}, layout {layout}, number of channels {channels}. Run it: `python -m experiments.fused`.
"""


def to_markdown(data: Mapping[str, Any]) -> str:
    """The report on the content of results.json."""
    rows = data["rows"]
    targets = list(dict.fromkeys(row["target"] for row in rows))
    cells = {(_key(row), row["target"]): row for row in rows}
    first = {_key(row): row for row in reversed(rows)}
    keys = sorted(dict.fromkeys(map(_key, [*rows, *data["excluded"]])), key=lambda key: key[1:], reverse=True)
    needs = [[*key, *(_needs(cells.get((key, target))) for target in targets)] for key in keys]
    counted = [[*key, *_counted(first[key])] for key in keys if key in first]
    names = ["map", "dtype", "direction"]
    return _TEXT.format(
        needs=_table([*names, *targets], needs),
        counted=_table([*names, "read", "written", "cached", "operations", "per byte"], counted),
        **data["settings"],
    )


def _table(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    return "\n".join([head(columns, 3), *map(row, lines)])


def _key(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return "x".join(map(str, one["size"])), one["dtype"], one["direction"]


def _needs(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    numbers = (row["registers"], row["spilled"], -(-row["shared"] // 1024), row["per_processor"])
    return f"{' / '.join(map(str, numbers))} {row['instructions']}"


def _counted(row: Mapping[str, Any]) -> list[str]:
    numbers = [row[name] for name in ("read", "written", "cached", "flops")]
    return [*map(str, numbers), f"{row['flops'] / (row['read'] + row['written']):.0f}"]
