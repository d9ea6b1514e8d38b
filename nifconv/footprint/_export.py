"""A survey as rows: every measure for spreadsheets and data frames, the main ones for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint._text import short
from nifconv.footprint.measures._table import BY_NAME, HEADLINE, MEASURES

if TYPE_CHECKING:
    from pandas import DataFrame


def rows(layers: Sequence[LayerFootprint]) -> list[dict[str, Any]]:
    """One row per layer; None where there is no value.

    A measure `m` has the columns `m_low`, `m`, `m_high` (quantiles 0.1, 0.5, 0.9 over the kernels) and, with a
    null distribution, `m_null_mean`, `m_null_std`, `m_null_low`, `m_null_high`, `m_z`, `m_p` (see `Effect`).
    """
    return [row(layer.to_dict()) for layer in layers]


def row(data: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one layer, from what `LayerFootprint.to_dict` returns."""
    found: dict[str, Any] = {name: data[name] for name in ("name", "stage", "kind")}
    found |= {name: in_columns(data[name]) for name in ("map_size", "taps_size")}
    found |= {name: data[name] for name in ("periodic", "kernels")}
    for measure in MEASURES:
        low, median, high = data["measures"][measure.name]
        found |= {f"{measure.name}_low": low, measure.name: median, f"{measure.name}_high": high}
        effect = data.get("null", {}).get(measure.name)
        if effect:
            found |= {f"{measure.name}_null_{key}": effect[key] for key in ("mean", "std", "low", "high")}
            found |= {f"{measure.name}_{key}": effect[key] for key in ("z", "p")}
    return found


def summary(layers: Sequence[LayerFootprint]) -> tuple[list[str], list[list[str]]]:
    """Header and one row per layer: the main measures and, if there is a null distribution, z in brackets."""
    header = ["layer", "map, px", "kernel, px", *(BY_NAME[name].heading for name in HEADLINE)]
    return header, [
        # A model that is itself one convolution has a layer without a name.
        [
            short(layer.name or layer.kind),
            in_columns(layer.map_size),
            in_columns(layer.taps.shape[2:]),
            *_measured(layer),
        ]
        for layer in layers
    ]


def to_csv(table: Sequence[dict[str, Any]], path: str | Path | None) -> str:
    """The rows as comma-separated text with a header, written to `path` if there is one."""
    # Of all rows, in order: surveys without a null distribution lack its columns and leave them empty.
    names = list(dict.fromkeys(name for row in table for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")  # the default, "\r\n", would be doubled on Windows
    writer.writeheader()
    writer.writerows(table)
    if path is not None:
        Path(path).write_text(buffer.getvalue(), encoding="utf-8")
    return buffer.getvalue()


def to_dataframe(table: Sequence[dict[str, Any]]) -> DataFrame:
    """The rows as a data frame.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        from pandas import DataFrame  # optional: everything else works without it
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas; install it with: pip install pandas") from error
    return DataFrame(list(table))


def in_columns(size: Sequence[int]) -> str:
    return "x".join(map(str, size))  # without the spaces of `by_size`: one word in a file, and narrow in a console


def _measured(layer: LayerFootprint) -> list[str]:
    cells = []
    for name in HEADLINE:
        value = layer.statistic(name)
        z = layer.null.effect(name, value).z if layer.null else None
        # Clipped, so that the table fits into 100 columns; `rows` has the full value.
        cells.append(BY_NAME[name].format(value) + ("" if z is None else f" ({min(max(z, -99), 99):+.0f})"))
    return cells
