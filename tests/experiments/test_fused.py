"""The committed table of compiled kernels: complete, within its limits, and what the compiler still gives."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")

import torch
import triton

from experiments.fused import __main__ as command
from experiments.fused import compilation, report, table
from nifconv.spectral.fused import _plans

TABLE = json.loads((Path(table.__file__).with_name("results.json")).read_text())
_SHARED = {"sm_80": 163, "sm_90": 227, "sm_100": 227, "gfx942": 64}  # KiB
_SIDES = (3, 4, 16, 17, 32, 33, 64, 65, 112, 113)
"""The smallest and the largest of each side of a tile, and those without one."""
_CASES = {tuple(map(str, case.label().values())): case for case in table.every()}


def _case(row: dict[str, Any]) -> table.Case:
    return _CASES[tuple(str(row[name]) for name in ("size", "call", "dtype", "target", "direction"))]


def _name(row: dict[str, Any]) -> str:
    return f"{row['direction']} {row['size']} {row['call']} {row['dtype']} {row['target']}"


def test_the_table_holds_what_is_in_use_and_names_what_torch_fft_computes() -> None:
    assert [_case(row) for row in TABLE["rows"]] == [case for case in table.every() if case.plan is not None]
    assert [_case(row) for row in TABLE["excluded"]] == [case for case in table.every() if case.plan is None]


@pytest.mark.parametrize("call", compilation.CALLS)
def test_every_plan_that_a_map_can_get_was_compiled(call: str) -> None:
    sizes = list(itertools.product(_SIDES, repeat=2))
    dtypes = table.DTYPES[: 3 if call == "plain" else 2]
    for target, dtype, gradients in itertools.product(_plans.ARCHITECTURES, dtypes, (False, True)):
        chosen = {_plans.plan(size, dtype, target, gradients=gradients) for size in sizes} - {None}
        rows = [
            case for case in map(_case, TABLE["rows"]) if (case.target, case.dtype, case.call) == (target, dtype, call)
        ]
        assert chosen == {case.plan for case in rows if case.gradients == gradients}


def test_both_formats_of_16_bits_have_the_same_plans() -> None:
    for size, target, gradients in itertools.product(
        (*table.SQUARES, *table.OBLONGS), _plans.ARCHITECTURES, (False, True)
    ):
        both = [_plans.plan(size, dtype, target, gradients=gradients) for dtype in table.DTYPES[1:]]
        assert both[0] == both[1]


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
    for row in (row for row in TABLE["rows"] if row["call"] == "plain"):
        plane = row["size"][0] * row["size"][1] * getattr(torch, row["dtype"]).itemsize
        assert row["written"] == plane
        assert row["read"] == plane * (2 if row["direction"] == "gradients" else 1)


@pytest.mark.parametrize(
    "case",
    [
        table.Case((14, 14), torch.bfloat16, "sm_90", False),
        table.Case((31, 31), torch.float32, "sm_80", True, "general"),
        table.Case((56, 56), torch.bfloat16, "sm_90", True),
        table.Case((28, 28), torch.float16, "gfx942", False),
    ],
    ids=lambda case: f"{case.size} {case.dtype} {case.target}",
)
def test_the_table_is_what_the_compiler_gives(case: table.Case) -> None:
    if triton.__version__ != TABLE["settings"]["triton"]:
        pytest.skip("another version of Triton compiles to something else")
    (committed,) = (row for row in TABLE["rows"] if _case(row) == case)
    assert table.row(case) == committed


def test_the_compiler_says_what_spills() -> None:
    """Without a plan's limits a gate fails: what torch.fft computes, it computes for a reason."""
    size, target = (63, 31), "sm_80"
    needs = compilation.program(_plans.whole_plan(size, target), size, torch.float32, target, "general", gradients=True)
    assert needs.spilled > 256
    assert _plans.plan(size, torch.float32, target, gradients=True) is None


def test_a_case_without_a_plan_is_refused() -> None:
    case = table.Case((112, 112), torch.float32, "sm_80", True)
    with pytest.raises(ValueError, match=r"\(112, 112\).*has no plan"):
        table.row(case)


def test_the_command_compiles_and_reports(tmp_path: Path) -> None:
    command.main(out=tmp_path, smoke=True, jobs=1)
    data = json.loads((tmp_path / "results.json").read_text())
    assert {path.name for path in tmp_path.iterdir()} == set(command.FILES)
    assert (tmp_path / "REPORT.md").read_text() == report.to_markdown(data)
    assert data["rows"] == TABLE["rows"][:1]
    assert data["excluded"] == TABLE["excluded"]


def test_output_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="no 'Used"):
        compilation._only("Used", "nothing")
