"""What runs here is said as it is."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from nifconv.cli import _doctor
from nifconv.cli._app import app
from nifconv.spectral import Crossover, native, use_crossover
from nifconv.spectral.fused import Speedups
from tests.spectral.fake_gpu import NAME, FakeGpu

KINDS = {kind: [(64, 1)] for kind in ("depthwise", "dense", "depthwise circular", "dense circular")}


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
    use_crossover(Crossover({"inference": KINDS, "training": KINDS}, {"torch": "1.0", "threads": 99}))
    try:
        assert "(torch 1.0, threads 99); measured elsewhere" in said()
    finally:
        use_crossover(None)


def test_without_a_gpu_the_fused_kernels_have_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_doctor, "current_gpu", lambda: None)
    monkeypatch.setattr(_doctor.fused, "absence", lambda: "torch sees no GPU")
    assert "fused kernels  none; torch.fft computes everything on GPUs: torch sees no GPU\n" in said()
    assert "on the GPU" not in said()


def test_what_is_right_on_a_gpu_what_is_not_and_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu = FakeGpu(monkeypatch, lambda result: result * (1.1 if result.shape[2] == 7 else 1))
    gpu.kernel.supports = lambda x, *_, gradients: x.shape[2] < (100 if gradients else 200)  # type: ignore[method-assign]
    monkeypatch.setattr(_doctor, "current_gpu", lambda: torch.device("cpu"))
    monkeypatch.setattr(_doctor, "device_name", lambda device: NAME)
    text = said()
    assert f"fused kernels      {NAME}; compared with torch.fft just now" in text
    assert "float32, forward: right at 14, 28, 56, 112 px" in text
    assert "  7 px is computed by torch.fft: relative error 1.0e-01, limit 5e-06" in text
    assert "bfloat16, gradients: right at 14, 28, 56 px" in text
    assert "  112 px is computed by torch.fft: no kernel is meant for it" in text
    assert '"auto" on the GPU  torch.fft, since nothing was measured there: `nifconv bench --crossover FILE`' in text

    origin = {"device": NAME, "torch": torch.__version__}
    speedups = Speedups({"forward": {"float32": [(49, 2.0)]}, "gradients": {}})
    path = tmp_path / "gpu.json"
    Crossover({"inference": KINDS, "training": KINDS}, origin, speedups).save(path)
    monkeypatch.setenv("NIFCONV_CROSSOVER", str(path))
    use_crossover(path)
    try:
        text = said()
    finally:
        use_crossover(None)
    assert f'"auto" on the GPU  {path} (device {NAME}, torch {torch.__version__})\n' in text
