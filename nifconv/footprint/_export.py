"""A survey as rows, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint.measures._table import MEASURES

if TYPE_CHECKING:
    from pandas import DataFrame


def rows(layers: Sequence[LayerFootprint]) -> list[dict[str, Any]]:
    """One row a layer; None where there is no value.

    A measure `m` has the columns `m_low`, `m`, `m_high` (quantiles 0.1, 0.5, 0.9 over the kernels) and, with fresh
    draws, `m_null_mean`, `m_null_std`, `m_null_low`, `m_null_high`, `m_z`, `m_p` (see `null.Effect`).
    """
    return [_row(layer) for layer in layers]


def to_csv(table: Sequence[dict[str, Any]], path: str | Path | None) -> str:
    """The rows as comma-separated text with a header, written to `path` if there is one."""
    names = list(dict.fromkeys(name for row in table for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
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
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas; install it with: pip install pandas") from error
    return DataFrame(list(table))


def _row(layer: LayerFootprint) -> dict[str, Any]:
    data = layer.to_dict()
    row: dict[str, Any] = {name: data[name] for name in ("name", "stage", "kind")}
    row |= {name: "x".join(map(str, data[name])) for name in ("map_size", "taps_size")}
    row |= {name: data[name] for name in ("periodic", "kernels")}
    for measure in MEASURES:
        low, median, high = data["measures"][measure.name]
        row |= {f"{measure.name}_low": low, measure.name: median, f"{measure.name}_high": high}
        effect = data.get("null", {}).get(measure.name)
        if effect:
            row |= {f"{measure.name}_null_{key}": effect[key] for key in ("mean", "std", "low", "high")}
            row |= {f"{measure.name}_{key}": effect[key] for key in ("z", "p")}
    return row
