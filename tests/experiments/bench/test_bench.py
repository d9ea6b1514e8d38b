"""The benchmark runs, and says what it measured; how long things take is no matter of tests."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.bench import report
from experiments.bench.__main__ import FILES, FOLDER
from experiments.bench.__main__ import main as bench
from experiments.bench.cases import SMOKE, Case
from experiments.bench.layers import error
from experiments.bench.memory import kept_memory, peak_bytes
from experiments.bench.peers import peers

COMMITTED = FOLDER / "results.json"


LIMITS = {True: 2e-5, False: 1e-3}
"""How far ours, and others, may be from float64."""


def check_errors(data: dict[str, Any]) -> None:
    for row in data["layers"]:
        assert row["error"] is None or row["error"] < LIMITS[row["name"].startswith("nifconv")], row["name"]
    for row in data["dense"]:
        assert row["error"] < LIMITS[True], row["name"]


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
        assert error(peer, x, dy) < LIMITS[peer.name.startswith("nifconv")], peer.name


@pytest.mark.filterwarnings("ignore")
def test_peak_memory_counts_what_is_alive_at_one_time() -> None:
    x = torch.randn(250_000)
    assert peak_bytes(lambda: (x + 1).sum()) == pytest.approx(1e6, rel=0.01)
    assert peak_bytes(lambda: (x + 1) + (x + 2)) == pytest.approx(3e6, rel=0.01)
    assert peak_bytes(lambda: [(x + i).sum() for i in range(5)]) == pytest.approx(1e6, rel=0.01)


def test_memory_is_not_said_to_be_kept_where_the_allocator_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.bench.memory.sys.platform", "darwin")
    with kept_memory() as kept:
        assert not kept
