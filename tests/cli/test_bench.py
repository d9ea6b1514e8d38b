"""`nifconv bench`."""

import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from nifconv.cli import _timings
from nifconv.cli._app import app
from nifconv.spectral import Crossover
from tests.spectral.fake_gpu import NAME, FakeGpu


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
    assert "is not a folder; create it" in result.output


def test_on_a_gpu_the_table_holds_the_fused_kernels_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu, path = FakeGpu(monkeypatch), tmp_path / "table.json"
    monkeypatch.setattr(_timings, "current_gpu", lambda: torch.device("cpu"))
    monkeypatch.setattr(_timings, "device_name", lambda device: NAME)
    monkeypatch.setattr(_timings, "clock_for", lambda device: gpu.clock)
    result = CliRunner().invoke(app, ["bench", "--quick", "--repeats", "1", "--crossover", str(path)])
    assert result.exit_code == 0, result.output
    assert "forward, float32: 2.00 at 49 pixels, 2.00 at 196 pixels" in result.output
    table = Crossover.load(path)
    assert table.device == NAME
    assert table.prefers_fused("gradients", torch.bfloat16, (10, 10))


@pytest.mark.parametrize(
    ("name", "reason"), [("tpu", "'tpu' is unknown; use cpu or cuda"), ("cuda", "torch sees no GPU")]
)
def test_devices_that_are_not_there_are_refused(name: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_timings, "current_gpu", lambda: None)
    result = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}).invoke(app, ["bench", "--device", name])
    assert result.exit_code == 2
    assert reason in result.output


def test_models_are_timed_side_by_side() -> None:
    runner = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"})
    size = ["--input-size", "32", "--batch", "2", "--repeats", "1", "--device", "cpu"]
    result = runner.invoke(app, ["bench", "lcnet_050", "--num-classes", "3", "--compare", "squeezenet1_1", *size])
    assert result.exit_code == 0, result.output
    first, second = (line.split() for line in result.output.splitlines() if re.match(r"\d: ", line))
    assert (first[1], second[1]) == ("lcnet_050", "squeezenet1_1")
    assert first[3] == first[5] == "1.00"
    assert "lcnet_050: MobileNetV3, weights: random (newly initialised)" in result.output
    result = runner.invoke(app, ["bench", "--compare", "squeezenet1_1"])
    assert result.exit_code == 2
    assert "need a MODEL" in result.output
