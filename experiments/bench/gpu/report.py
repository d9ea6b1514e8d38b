"""REPORT.md from results.json and REPORT.md.j2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.bench.gpu.contenders import FUSED, REFERENCE
from experiments.study.report import render


def to_markdown(data: Mapping[str, Any]) -> str:
    """The content of REPORT.md, with all its numbers from the content of results.json."""
    by_fft = {_place(row): row for row in data["layers"] if row["name"] == REFERENCE}
    layers = [
        {**row, "speedup": {mode: by_fft[_place(row)][mode]["median"] / row[mode]["median"] for mode in _MODES}}
        for row in data["layers"]
    ]
    return render(Path(__file__).with_name("REPORT.md.j2"), {**data, "layers": layers}, fused=FUSED)


_MODES = ("forward", "training")


def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["case"], row["padding"], row["dtype"]
