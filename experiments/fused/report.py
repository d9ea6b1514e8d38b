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

"General" is the hardest call at once: odd grids, a map two pixels smaller with zeros around it, channels last, two
filters for each channel. "Plain" is a circular map, contiguous, with one filter for each channel.

## Counted from the code

For one plane: bytes read from memory and written to it, bytes of transforms and coefficients read from the cache,
operations of the matrix products on the whole tile, and those operations for each byte of memory.

{counted}

## Packing the spectrum

The kernels take the spectrum packed into real coefficients: once for each spectrum, so not again in eval mode while the
layer has it cached, and once for both directions of a training step. Medians of the time that a CPU ({processor})
works, which say nothing of a GPU: milliseconds of packing, of its adjoint, of the product by torch.fft, and packing
over that product.

{packing}

Triton {triton}, number of channels {channels}. Run it: `python -m experiments.fused`.
"""


def to_markdown(data: Mapping[str, Any]) -> str:
    """The report on the content of results.json."""
    rows = data["rows"]
    targets = list(dict.fromkeys(row["target"] for row in rows))
    cells = {(_key(row), row["target"]): row for row in rows}
    first = {_key(row): row for row in reversed(rows)}
    keys = sorted(dict.fromkeys(map(_key, [*rows, *data["excluded"]])), key=lambda key: key[1:], reverse=True)
    needs = [[*key, *(_needs(cells.get((key, target))) for target in targets)] for key in keys]
    counted = [[*key, *_counted(first[key])] for key in keys if key in first and "flops" in first[key]]
    names = ["map", "call", "dtype", "direction"]
    packing = [[_shape(row["shape"]), *_milliseconds(row)] for row in data["packing"]]
    return _TEXT.format(
        needs=_table([*names, *targets], needs),
        counted=_table([*names, "read", "written", "cached", "operations", "per byte"], counted),
        packing=_table(["batch x channels x map", "pack", "adjoint", "product", "share"], packing, 1),
        **data["settings"],
    )


def _table(columns: Sequence[str], lines: Iterable[Sequence[object]], names: int = 4) -> str:
    return "\n".join([head(columns, names), *map(row, lines)])


def _key(one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return _shape(one["size"]), one["call"], one["dtype"], one["direction"]


def _shape(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _milliseconds(row: Mapping[str, float]) -> list[str]:
    times = [f"{1000 * row[name]:.2f}" for name in ("pack", "adjoint", "product")]
    return [*times, f"{100 * row['pack'] / row['product']:.1f} %"]


def _needs(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    numbers = (row["registers"], row["spilled"], -(-row["shared"] // 1024), row["per_processor"])
    return f"{' / '.join(map(str, numbers))} {row['instructions']}"


def _counted(row: Mapping[str, Any]) -> list[str]:
    numbers = [row[name] for name in ("read", "written", "cached", "flops")]
    return [*map(str, numbers), f"{row['flops'] / (row['read'] + row['written']):.0f}"]
