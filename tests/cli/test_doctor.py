"""What runs here is said as it is."""

import pytest
import torch
from typer.testing import CliRunner

from nifconv.cli._app import app
from nifconv.spectral import Crossover, native, use_crossover


def said() -> str:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_engine_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = native.Engine(None, ("avx512", "baseline"), "avx512", threaded=False)
    monkeypatch.setattr(native, "engine", lambda: engine)
    assert "avx512 (of avx512, baseline), one thread" in said()
    assert torch.__version__ in said()


def test_a_missing_engine_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "engine", lambda: None)
    monkeypatch.setattr(native, "absence", lambda: "it was not built")
    assert "none; torch.fft computes everything: it was not built" in said()


def test_a_table_from_elsewhere_is_said_to_be_one() -> None:
    kinds = {kind: [(64, 1)] for kind in ("depthwise", "dense", "depthwise circular", "dense circular")}
    use_crossover(Crossover({"inference": kinds, "training": kinds}, {"torch": "1.0", "threads": 99}))
    try:
        assert "(torch 1.0, threads 99); measured elsewhere" in said()
    finally:
        use_crossover(None)
