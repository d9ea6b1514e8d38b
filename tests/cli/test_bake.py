"""`nifconv bake` and `nifconv export`: from a converted model to files for deployment."""

import json
import re
from pathlib import Path

import onnx
import pytest
import torch
from click.testing import Result
from torch import nn
from typer.testing import CliRunner

from nifconv import FrequencyConv2d, bake, convert, load
from nifconv.cli._app import app
from nifconv.models import NamedModel, export_onnx

ME = "tests.cli.test_bake"
SIZE = ["--input-size", "12x10"]


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def message(result: Result) -> str:
    return re.sub(r"[│\s]+", " ", result.output)


@pytest.fixture
def converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    convert(NamedModel(f"{ME}:net").build()).save("net.safetensors")
    return "net.safetensors"


def test_a_saved_conversion_is_baked_saved_and_measured(converted: str, tmp_path: Path) -> None:
    result = run("bake", converted, "--trust", *SIZE, "--output", "baked.safetensors", "--report", "report.json")
    assert result.exit_code == 0, result.output
    assert "baked 1 of 1 frequency layers" in result.output
    assert f"weights: {converted}" in result.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["layers"][0]["kernel_after"] == [13, 11]
    x = torch.randn(2, 3, 12, 10)
    baked, original = (load(name, trust=True).model.eval() for name in ("baked.safetensors", converted))
    assert not [m for m in baked.modules() if isinstance(m, FrequencyConv2d)]
    torch.testing.assert_close(baked(x), original(x), rtol=0, atol=1e-5)
    result = run("inspect", "baked.safetensors", "--trust", *SIZE)
    assert result.exit_code == 0, result.output
    assert "13x11" in result.output


@pytest.mark.parametrize(("form", "node"), [("baked", "Conv"), ("matmul", "MatMul"), ("dft", "DFT")])
def test_an_export_says_what_it_costs(converted: str, form: str, node: str) -> None:
    result = run("export", converted, "--trust", *SIZE, "--form", form, "--output", "a.onnx", "--report", "report.json")
    assert result.exit_code == 0, result.output
    report = json.loads(Path("report.json").read_text())
    assert node in report["nodes"]
    assert ("DFT" in report["nodes"]) == (form == "dft")
    assert report["error"] < 1e-4
    assert report["bytes"] == sum(path.stat().st_size for path in Path().glob("a.onnx*"))
    graph = onnx.load("a.onnx").graph
    assert sum(report["nodes"].values()) == len(graph.node)
    assert re.search(r"one run [\d.e+-]+ ms in torch, [\d.e+-]+ ms in onnxruntime", result.output)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("bake", f"{ME}:net"), f"{ME}:net has no frequency layer to bake; convert it first"),
        (("bake", "net.safetensors", "--trust", "--tolerance", "2"), "--tolerance 2.0 must be at least 0 and below 1"),
        (("bake", "net.safetensors", "--trust", "--output", "no/a.safetensors"), "no is not a folder; create it first"),
        (
            ("bake", "net.safetensors", "--trust", "--output", "net.safetensors"),
            "net.safetensors is an input of this command; name another file",
        ),
        (("bake", "net.safetensors", "--trust", "--input-size", "x"), "'x' must be pixels, such as 224 or 224x160"),
        (("bake", "net.safetensors", "--trust", "--channels", "4"), "to have 3 channels, but got 4 channels instead"),
        (("bake", "net.safetensors"), "a function that is called only if you trust the file; give --trust"),
        (("export", "net.safetensors", "--output", "a.pt"), "a.pt must end in .onnx; name it a.onnx"),
        (
            ("export", "net.safetensors", "--trust", "--output", "a.onnx", "--form", "dft", "--tolerance", "0.1"),
            "--tolerance 0.1 has no meaning for --form dft; leave it out, or use --form baked",
        ),
        (
            ("export", "net.safetensors", "--trust", "--output", "a.onnx", "--form", "matmul", "--tolerance", "0.2"),
            "--tolerance 0.2 has no meaning for --form matmul; leave it out, or use --form baked",
        ),
        (("export", "net.safetensors"), "Missing option '--output'"),
    ],
)
@pytest.mark.usefixtures("converted")
def test_mistakes_are_named(arguments: tuple[str, ...], expected: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert expected in message(result)
    assert not list(Path().glob("a.onnx*"))


def test_bounds_and_errors_are_of_one_norm() -> None:
    model = convert(net(), where="2", kernel_size=9, to="dense").model
    x = 3 * torch.rand(2, 3, 16, 16)
    baked = bake(model, x, tolerance=0.3)
    (layer,) = baked.report.layers
    given: dict[str, torch.Tensor] = {}
    model[2].register_forward_hook(lambda _m, args, y: given.update(x=args[0], y=y))
    model.eval()(x)
    new = baked.model[2](given["x"])
    taps = model[2].kernels((16, 16)).detach()
    largest = taps.abs().sum((1, 2, 3)).max() * given["x"].abs().max()
    found = (new - given["y"]).abs().max() / largest
    torch.testing.assert_close(torch.tensor(layer.error), found.detach(), rtol=1e-3, atol=0)
    assert 0 < layer.error <= layer.bound <= 0.3
    assert layer.change == pytest.approx(((new - given["y"]).norm() / given["y"].norm()).item(), rel=1e-3)


def test_an_export_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"form='tflite' is unknown; use one of 'baked', 'matmul', 'dft'"):
        export_onnx(net(), torch.zeros(1, 3, 8, 8), tmp_path / "a.onnx", form="tflite")
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, not str"):
        export_onnx("net", torch.zeros(1, 3, 8, 8), tmp_path / "a.onnx")
    with pytest.raises(
        ValueError, match=r"in bfloat16, which onnxruntime cannot run on a CPU; export model\.float\(\)"
    ):
        export_onnx(net().bfloat16(), torch.zeros(1, 3, 8, 8).bfloat16(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


class Classes(nn.Module):
    """Logits and the class of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.net(x).mean((2, 3))
        return y, y.argmax(1)


def test_an_export_takes_an_input_with_a_gradient_and_an_output_of_indices(tmp_path: Path) -> None:
    report = export_onnx(Classes(), torch.randn(1, 3, 8, 8, requires_grad=True), tmp_path / "a.onnx")
    assert report.error < 1e-5
