"""Surveys of one model over the course of its training."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nifconv._support.arguments import choice
from nifconv._support.tables import html_table, text_table
from nifconv.footprint import _export
from nifconv.footprint.measures._table import BY_NAME

_FILE = re.compile(r"epoch=(\d+)\.json")


@dataclass(frozen=True, repr=False)
class History:
    """What the layers of a model measured at several times during its training.

    Attributes:
        surveys: what `Survey.to_dict` returns, by the name of the time, such as "epoch 3".
    """

    surveys: Mapping[str, Mapping[str, Any]]

    def to_text(self, width: int | None = None, *, measure: str = "size90") -> str:
        """One measure of every layer over time; columns that do not fit into `width` follow in another block.

        Raises:
            ValueError: there is no measure of that name.
        """
        return (
            f"{BY_NAME[choice('measure', measure, tuple(BY_NAME))].heading}\n{text_table(*self._table(measure), width)}"
        )

    def to_csv(self, path: str | Path | None = None) -> str:
        """The lines of `Survey.to_csv` for each time, whose name is in the column `time`; also written to `path`."""
        table = [
            {"time": time, **_export.row(layer)} for time, survey in self.surveys.items() for layer in survey["layers"]
        ]
        return _export.to_csv(table, path)

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON."""
        return {time: dict(survey) for time, survey in self.surveys.items()}

    def __repr__(self) -> str:
        return f"History({', '.join(self.surveys)})"

    def __str__(self) -> str:
        return self.to_text(100)

    def _repr_html_(self) -> str:
        return html_table(*self._table("size90"))

    def _table(self, measure: str) -> tuple[list[str], list[list[str]]]:
        times = list(self.surveys)
        values: dict[str, dict[str, float | None]] = {}
        for time, survey in self.surveys.items():
            for layer in survey["layers"]:
                name = f"{layer['name'] or layer['kind']} {_export.in_columns(layer['map_size'])}"
                values.setdefault(name, {})[time] = layer["measures"][measure][1]
        cells = {name: [_cell(measure, found.get(time)) for time in times] for name, found in values.items()}
        return ["layer and map, px", *times], [[name, *row] for name, row in cells.items()]


def read_history(run: str | Path) -> History:
    """The surveys that the callback FootprintSurvey of `experiments.train` wrote, in the order of the epochs.

    Args:
        run: folder of the run.

    Raises:
        FileNotFoundError: it holds no survey.
        ValueError: a file is damaged.
    """
    folder = Path(run) / "footprint"
    numbers = {path: _FILE.fullmatch(path.name) for path in folder.glob("*.json")}
    files = sorted((int(number[1]), path) for path, number in numbers.items() if number)
    if not files:
        raise FileNotFoundError(f"{folder} holds no survey (epoch=N.json); train with the callback FootprintSurvey")
    return History({f"epoch {epoch}": _read(path) for epoch, path in files})


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); delete it, or copy it again") from error
    return data


def _cell(measure: str, value: float | None) -> str:
    return "-" if value is None else BY_NAME[measure].format(value)
