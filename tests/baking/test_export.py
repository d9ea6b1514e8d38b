import warnings
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
import torchvision
from torch import Tensor, nn

from nifconv import FrequencyConv2d, LCConv2d, SpatialFilter, bake, convert
from nifconv._support.forward import relative_error


def exported(model: nn.Module, x: Tensor, path: Path) -> tuple[set[str], Tensor]:
    """The kinds of nodes in the ONNX graph, and what onnxruntime makes of `x`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter itself
        torch.onnx.export(model.eval(), (x,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return {node.op_type for node in onnx.load(path).graph.node}, torch.from_numpy(y)


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny"])
def test_a_baked_network_is_exported_without_a_transform(name: str, tmp_path: Path) -> None:
    x = torch.randn(1, 3, 64, 64)
    model = bake(convert(torchvision.models.get_model(name, weights=None)).model, x).model.eval()
    program = torch.export.export(model, (x,))
    assert not [node for node in program.graph.nodes if "fft" in str(node.target)]
    with torch.no_grad():
        expected = model(x)
        assert relative_error(program.module()(x) - expected, expected) < 1e-5
        operations, y = exported(model, x, tmp_path / "model.onnx")
    assert "DFT" not in operations
    assert relative_error(y - expected, expected) < 1e-4


@pytest.mark.parametrize(
    ("layer", "node"),
    [
        (FrequencyConv2d(4, 4, groups=4), "DFT"),
        (FrequencyConv2d(4, 6, padding_mode="zeros", method="fft"), "DFT"),
        (FrequencyConv2d(4, 4, 5, stride=2, groups=4, method="fft"), "DFT"),
        (LCConv2d(4, 6, expansion=2), "DFT"),
        (FrequencyConv2d(4, 4, 3, groups=4, method="direct"), "Conv"),
    ],
)
def test_a_frequency_layer_is_exported_by_the_method_it_runs_with(layer: Any, node: str, tmp_path: Path) -> None:
    x = torch.randn(2, 4, 8, 10)
    with torch.no_grad():
        operations, y = exported(layer, x, tmp_path / "layer.onnx")
        assert node in operations
        assert relative_error(y - layer(x), layer(x)) < 1e-4


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
def test_taps_that_fit_are_exported_without_padding_them(padding_mode: str, tmp_path: Path) -> None:
    # torch's ONNX optimizer writes an invalid model for a pad by nothing of 8192 weights and more.
    layer = FrequencyConv2d(
        168, 168, 7, padding=0, groups=168, padding_mode=padding_mode, filter=SpatialFilter, method="direct"
    )
    x = torch.randn(1, 168, 9, 9)
    with torch.no_grad():
        operations, y = exported(layer, x, tmp_path / "layer.onnx")
        assert "Pad" not in operations
        assert relative_error(y - layer(x), layer(x)) < 1e-4
