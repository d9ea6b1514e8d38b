"""The committed table of compiled kernels: complete, within its limits, and what the compiler still gives."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")

import torch
import triton

from experiments.fused import compilation, report, table
from nifconv.spectral.fused._plans import plan

TABLE = json.loads((Path(table.__file__).with_name("results.json")).read_text())
_SHARED = {"sm_80": 163, "sm_90": 227, "sm_100": 227, "gfx942": 64}  # KiB
_CASES = {tuple(map(str, table.label(case).values())): case for case in table.every()}


def _case(row: dict[str, Any]) -> table.Case:
    return _CASES[tuple(str(row[name]) for name in ("size", "dtype", "target", "direction"))]


def _name(row: dict[str, Any]) -> str:
    return f"{row['direction']} {row['size']} {row['dtype']} {row['target']}"


def test_the_table_holds_what_is_in_use_and_names_what_is_not() -> None:
    assert [_case(row) for row in TABLE["rows"]] == list(table.admitted())
    assert sorted(map(_case, TABLE["rows"] + TABLE["excluded"]), key=str) == sorted(table.every(), key=str)


@pytest.mark.parametrize("row", TABLE["rows"], ids=_name)
def test_every_program_fits(row: dict[str, Any]) -> None:
    assert row["spilled"] <= (256 if row["direction"] == "gradients" else 0)
    assert row["shared"] <= _SHARED[row["target"]] * 1024
    assert row["per_processor"] >= 1
    assert not row["atomics"]
    # One result, and the four coefficients of a gradient beside it.
    assert row["stores"] == (5 if row["direction"] == "gradients" else 1)
    large = min(row["size"]) >= 56
    expected = {"sm_80": "mma", "sm_90": "wgmma" if large else "mma", "sm_100": "tcgen05" if large else "mma"}
    assert row["instructions"] == expected.get(row["target"], "mfma")


def test_the_report_is_that_of_the_table() -> None:
    assert Path(table.__file__).with_name("REPORT.md").read_text() == report.to_markdown(TABLE)


def test_memory_is_read_and_written_once() -> None:
    for row in TABLE["rows"]:
        plane = row["size"][0] * row["size"][1] * getattr(torch, row["dtype"]).itemsize
        assert row["written"] == plane
        assert row["read"] == plane * (2 if row["direction"] == "gradients" else 1)


@pytest.mark.parametrize(
    "case",
    [
        ((14, 14), torch.bfloat16, "sm_90", False),
        ((28, 28), torch.float32, "sm_80", True),
        ((56, 56), torch.bfloat16, "sm_90", True),
        ((28, 28), torch.float16, "gfx942", False),
    ],
    ids=lambda case: f"{case[0]} {case[1]} {case[2]}",
)
def test_the_table_is_what_the_compiler_gives(case: table.Case) -> None:
    if triton.__version__ != TABLE["settings"]["triton"]:
        pytest.skip("another version of Triton compiles to something else")
    (committed,) = (row for row in TABLE["rows"] if _case(row) == case)
    assert table.row(case) == committed


def test_a_case_without_a_plan_is_refused() -> None:
    case = ((112, 112), torch.float32, "sm_80", True)
    assert plan(case[0], case[1], case[2], gradients=True) is None
    with pytest.raises(ValueError, match=r"\[112, 112\].*has no plan"):
        table.row(case)


def test_output_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="no 'Used"):
        compilation._only("Used", "nothing")
