"""The benchmark runs, and says what it measured; how long things take is no matter of tests."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from experiments.bench import report
from experiments.bench.__main__ import FILES, FOLDER
from experiments.bench.__main__ import main as bench
from experiments.bench.cases import SMOKE, Case
from experiments.bench.layers import _error
from experiments.bench.memory import peak_bytes
from experiments.bench.peers import peers
from nifconv.cli._app import app
from nifconv.spectral import Crossover, _timing

COMMITTED = FOLDER / "results.json"
LIMITS = {True: 2e-5, False: 1e-3}
"""How far ours, and others, may be from float64."""


def check_errors(data: dict[str, Any]) -> None:
    for row in data["layers"]:
        assert row["error"] is None or row["error"] < LIMITS[row["name"].startswith("nifconv")], row["name"]


@pytest.mark.filterwarnings("ignore")  # of the profiler
def test_runs_and_reports(tmp_path: Path) -> None:
    bench(out=tmp_path, smoke=True)
    data = json.loads((tmp_path / "results.json").read_text())
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    assert (tmp_path / "REPORT.md").read_text() == report.to_markdown(data)
    check_errors(data)
    assert {row["model"] for row in data["models"]} == set(SMOKE.models)


def test_the_committed_report_is_that_of_the_committed_results() -> None:
    data = json.loads(COMMITTED.read_text())
    assert (FOLDER / "REPORT.md").read_text() == report.to_markdown(data)
    check_errors(data)


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")  # fft-conv-pytorch
def test_every_peer_is_checked_against_float64() -> None:
    case = Case(2, 3, 8)
    x, dy = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    for peer in peers(case, (8,)):
        assert _error(peer, x, dy) < LIMITS[peer.name.startswith("nifconv")], peer.name


@pytest.mark.filterwarnings("ignore")
def test_peak_memory_counts_what_is_alive_at_one_time() -> None:
    x = torch.randn(250_000)
    assert peak_bytes(lambda: (x + 1).sum()) == pytest.approx(1e6, rel=0.01)
    assert peak_bytes(lambda: (x + 1) + (x + 2)) == pytest.approx(3e6, rel=0.01)
    assert peak_bytes(lambda: [(x + i).sum() for i in range(5)]) == pytest.approx(1e6, rel=0.01)


def test_contenders_take_turns_and_warming_up_does_not_count() -> None:
    turns: list[str] = []
    calls: dict[str, Any] = {name: (lambda name=name: turns.append(name)) for name in ("a", "b")}
    timings = _timing.side_by_side(calls, 3, warmup=1)
    assert turns == ["a", "b"] * 4
    assert all(t.low <= t.median <= t.high for t in timings.values())
    (single,) = _timing.side_by_side({"a": calls["a"]}, 1).values()
    assert single.low == single.median == single.high


def test_crossovers_pass_over_single_losses_and_stop_at_two_clear_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = iter([0.5, 2.1, 0.3, 1.6, 1.7] + [0.5, 2.0, 2.0] * 7)

    def timed(*_: Any) -> dict[str, _timing.Timing]:
        ratio = next(ratios)
        return {"direct": _timing.Timing(ratio, ratio, ratio), "fft": _timing.Timing(1, 1, 1)}

    monkeypatch.setattr(_timing, "side_by_side", timed)
    rows = list(_timing.crossovers(batch=1, channels=2, maps=(8,), taps=(1, 3, 5, 7, 9, 11)))
    assert rows == [
        ("inference", "depthwise", 64, 25),
        ("inference", "depthwise circular", 64, 1),
        ("inference", "dense", 64, 1),
        ("inference", "dense circular", 64, 1),
        ("training", "depthwise", 64, 1),
        ("training", "depthwise circular", 64, 1),
        ("training", "dense", 64, 1),
        ("training", "dense circular", 64, 1),
    ]
    assert not list(ratios)
    table = _timing.as_table(rows, processor="any")
    assert table.limits["inference"]["depthwise"] == [(64, 25)]
    assert table.origin["processor"] == "any"


@pytest.mark.parametrize(
    ("ratios", "limits"),
    [
        ([[0.5, 0.6, 0.7], [0.5, 0.6, 2.0], [0.9, 2.0, 2.0]], [3, 2, 1]),
        ([[0.5, 1.1, 1.1], [0.5, 0.5, 2.0]], [2, 2]),  # the smaller map was disturbed
        ([[0.5, 2.0, 2.0], [0.5, 0.9, 2.0]], [1, 1]),  # the larger one
        ([[2.0, 2.0], [0.9, 1.2, 1.5]], [0, 0]),
        ([[1.0, 1.0]], [0]),
    ],
)
def test_limits_lose_least_and_never_grow_with_the_map(ratios: list[list[float]], limits: list[int]) -> None:
    assert _timing._limits(ratios, 3) == limits


def test_the_command_writes_a_table_that_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    result = CliRunner().invoke(app, ["bench", "--quick", "--repeats", "1", "--crossover", str(path)])
    assert result.exit_code == 0, result.output
    assert set(Crossover.load(path).limits) == {"inference", "training"}
    assert "NIFCONV_CROSSOVER" in result.output


def test_the_command_compares_with_a_convolution() -> None:
    result = CliRunner().invoke(app, ["bench", "--quick", "--repeats", "1"])
    assert result.exit_code == 0, result.output
    assert re.search(r"32 x 512 x +7²", result.output)


def test_the_command_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    runner = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"})
    result = runner.invoke(app, ["bench", "--crossover", str(tmp_path / "none" / "table.json")])
    assert result.exit_code == 2
    assert "is no folder; make it" in result.output
