"""The GPU's benchmark runs on a CPU in smoke mode, and takes a peer that is installed."""

import functools
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.bench.cases import Case
from experiments.bench.gpu import __main__ as command
from experiments.bench.gpu import contenders, measure, report
from experiments.bench.gpu.cases import SMOKE
from experiments.bench.memory import peak_bytes
from experiments.bench.peers import Peer
from nifconv.spectral import _products, fused
from nifconv.spectral._transforms import Placement
from tests.spectral.fused.test_proof import Fake

CPU = torch.device("cpu")
PEER = "nvSubquadratic, fused"


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """A stand-in with their signature and conventions, by direct sums; the shapes that it was called with."""
    shapes: list[tuple[int, ...]] = []

    def fused_fftconv2d_bhl(x: Tensor, kernel: Tensor, shortcut: Tensor | None = None) -> Tensor:
        assert shortcut is None
        assert x.dtype == kernel.dtype
        shapes.append(tuple(x.shape))
        k = kernel.shape[-1]
        y = F.conv2d(x, kernel[0].flip(-1, -2).unsqueeze(1), padding=k - 1, groups=x.shape[1])
        return y[..., k // 2 : k // 2 + x.shape[-2], k // 2 : k // 2 + x.shape[-1]]

    package, ops, module = (ModuleType(f"nvsubquadratic{name}") for name in ("", ".ops", ".ops.fftconv_custom"))
    module.fused_fftconv2d_bhl = fused_fftconv2d_bhl
    for one in (package, ops, module):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "nvsubquadratic" or None)
    return shapes


def named(case: Case) -> dict[str, Peer]:
    return {one.name: one for one in contenders.zeros(case, CPU)}


def test_the_peer_is_taken_where_it_is_installed_and_up_to_64_pixels(peer: list[tuple[int, ...]]) -> None:
    assert PEER in named(Case(1, 2, 64))
    assert PEER not in named(Case(1, 2, 65))
    x, dy = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    one = named(Case(2, 3, 8))[PEER]
    assert measure._error(one, x, dy) < 1e-5
    assert measure._error(one, x.bfloat16(), dy.bfloat16()) < 1e-1
    assert peer == [(2, 3, 8, 8)] * 2


@pytest.mark.skipif(importlib.util.find_spec("nvsubquadratic") is not None, reason="it is installed")
def test_the_peer_is_not_needed() -> None:
    assert list(named(Case(1, 2, 8))) == [contenders.REFERENCE, contenders.FUSED]


@pytest.mark.parametrize("padding", [contenders.circular, contenders.zeros])
@pytest.mark.parametrize("size", [8, 9])
def test_every_contender_computes_what_it_is_compared_with(padding: Any, size: int) -> None:
    x, dy = torch.randn(2, 2, 3, size, size)
    for one in padding(Case(2, 3, size), CPU):
        assert measure._error(one, x, dy) < 1e-5, one.name
        assert measure._error(one, x.bfloat16(), dy.bfloat16()) < 1e-1, one.name
        wrong = Peer("", functools.partial(_enlarged, one), one.leaves, one.exact)
        assert measure._error(wrong, x, dy) == pytest.approx(0.1, rel=1e-3)


def _enlarged(one: Peer, x: Tensor, leaf: Tensor) -> Tensor:
    return 1.1 * one.apply(x, leaf)


def _small_net(name: str, weights: None) -> nn.Module:
    assert (name, weights) == (SMOKE.models[0], None)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1, groups=4))


@pytest.mark.filterwarnings("ignore")  # of the profiler, and that nothing is fused here
def test_it_runs_and_reports_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "current_gpu", lambda: None)
    monkeypatch.setattr(measure.models, "get_model", _small_net)
    command.main(out=tmp_path, smoke=True)
    data = json.loads((tmp_path / "results.json").read_text())
    assert {path.name for path in tmp_path.iterdir()} == set(command.FILES)
    text = (tmp_path / "REPORT.md").read_text()
    assert text == report.to_markdown(data)
    assert text.startswith("# Large kernels on cpu\n\nA trial of the code on a CPU, whose numbers mean nothing.\n")
    assert "| nifconv, fused (nothing by the kernels) |" in text
    assert {row["dtype"] for row in data["layers"]} == {"float32", "bfloat16"}
    assert {row["compiler"] for row in data["nets"]} == {"none", "eager"}
    assert len(data["nets"]) == 3 * len(SMOKE.compilers) * len(SMOKE.models)
    assert all(row["share_of_bandwidth"]["forward"] > 0 for row in data["layers"])


def test_without_a_gpu_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "current_gpu", lambda: None)
    with pytest.raises(typer.BadParameter, match="torch sees no GPU"):
        command.main(out=tmp_path)


def test_what_was_refused_is_in_the_report() -> None:
    assert fused.proven.verdicts == []
    settings = {"device": "a GPU", "repeats": 1, "model_repeats": 1, "torch": "2", "bytes_per_second": 4.8e12}
    data = {"layers": [], "nets": [], "refused": ["forward of maps of (7, 7): relative error 1"]}
    text = report.to_markdown({**data, "settings": {**settings, "model_batch": 1, "model_size": 8}})
    assert "- forward of maps of (7, 7): relative error 1" in text
    assert "at the 4800 GB/s of a copy" in text


def test_what_the_kernels_computed_is_told_from_what_torch_fft_did(monkeypatch: pytest.MonkeyPatch) -> None:
    proven = fused.Proven(Fake(), _products)
    monkeypatch.setattr(fused, "proven", proven)
    x, spectrum = torch.randn(2, 3, 7, 7), torch.randn(3, 1, 7, 4, 2)
    place = Placement((7, 7), (7, 7), (1, 1))
    proven.forward(x, spectrum, 3, place, place)
    assert measure._kernels(7, True, torch.float32) == ["forward"]
    assert measure._kernels(7, False, torch.float32) == measure._kernels(7, True, torch.bfloat16) == []


def test_a_share_of_the_limit_counts_every_tensor_once() -> None:
    x = torch.zeros(2, 3, 8, 8, dtype=torch.bfloat16)
    one = Peer("", torch.add, (torch.zeros(5),), torch.add)
    assert measure._least_bytes("forward", one, x) == 2 * 2 * 384 + 20
    assert measure._least_bytes("training", one, x) == 5 * 2 * 384 + 3 * 20


def test_peak_memory_of_a_gpu_is_that_of_its_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    held, peak = 100, 0

    def call() -> None:
        nonlocal peak
        peak = held + 40

    def reset(device: torch.device) -> None:
        nonlocal peak
        assert device.index == 0
        peak = held

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: held)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peak)
    assert peak_bytes(call, torch.device("cuda", 0)) == 40
