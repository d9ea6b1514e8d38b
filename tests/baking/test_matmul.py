"""`as_matmul`: the values of a layer by matrix products alone, in torch, torch.export and ONNX."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from nifconv import Envelope, FrequencyConv1d, FrequencyConv2d, ImplicitFilter, LCConv2d, convert
from nifconv._support.forward import relative_error
from nifconv.baking import as_matmul
from nifconv.layers._conv import layer_class
from nifconv.layers._linear_combination import lc_class
from nifconv.models import export_onnx
from tests.nets import PLAIN
from tests.tolerances import assert_near

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
PADS = {"circular": "circular", "zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
SMALL = partial(ImplicitFilter, hidden=(4,))
# What the exported program of a product may call: products, sums, and other views of the same numbers.
PRODUCTS = {"mm", "bmm", "mul", "add", "sub"}
VIEWS = {
    "view",
    "permute",
    "clone",
    "expand",
    "select",
    "unsqueeze",
    "squeeze",
    "cat",
    "slice",
    "_unsafe_view",
    "alias",
}


def by_taps(layer: Any, x: Tensor) -> Tensor:
    """A layer by its taps alone: the padded map and torch's own convolution."""
    size = tuple(x.shape[2:])
    taps = (layer.spatial if hasattr(layer, "spatial") else layer).kernels(size)
    pads = [p for k in reversed(taps.shape[2:]) for p in (k // 2, k - 1 - k // 2)]
    y = CONVS[len(size)](F.pad(x, pads, mode=PADS[layer.padding_mode]), taps, None, layer.stride, 0, 1, layer.groups)
    return y + layer.bias.view(-1, *(1,) * len(size))


@st.composite
def global_layers(draw: st.DrawFn) -> tuple[Any, Tensor]:
    """A global layer of any geometry in float64, with a bias that is not zero, and an input for it."""
    ndim = draw(st.sampled_from([1, 2, 2, 3]))
    size = tuple(draw(st.integers(1, 7)) for _ in range(ndim))
    layer = layer_class(ndim)(
        4,
        8,
        stride=tuple(draw(st.integers(1, 3)) for _ in range(ndim)),
        groups=draw(st.sampled_from([1, 2, 4])),
        padding_mode=draw(st.sampled_from(list(PADS))),
        method=draw(st.sampled_from(["auto", "direct"])),
        filter=SMALL,
        dtype=torch.float64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(draw(st.integers(0, 99)))
        layer.reset_parameters()
        nn.init.normal_(layer.bias)
        return layer, torch.randn(2, 4, *size, dtype=torch.float64)


@given(global_layers())
@settings(max_examples=100)
def test_products_are_the_convolution_with_the_taps(case: tuple[Any, Tensor]) -> None:
    layer, x = case
    model = as_matmul(layer, x).model
    assert not [m for m in model.modules() if isinstance(m, PLAIN)]
    assert_near(model(x), by_taps(layer, x))
    assert_near(model(x[0]), model(x)[0])  # without batch


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", list(PADS))
def test_blocks_and_their_inner_convolution_are_one_replacement(ndim: int, mode: str) -> None:
    block = lc_class(ndim)(4, 6, expansion=3, groups=2, stride=2, padding_mode=mode, filter=SMALL, dtype=torch.float64)
    nn.init.normal_(block.bias_holder.bias)
    x = torch.randn(2, 4, *(6, 5, 4)[:ndim], dtype=torch.float64)
    products = as_matmul(block, x)
    (entry,) = products.report.layers
    assert entry.map_size == tuple(x.shape[2:])
    assert_near(products.model(x), block(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_other_dtypes_keep_their_precision_on_a_map_of_an_image(dtype: torch.dtype) -> None:
    layer, x = FrequencyConv2d(2, 2, groups=2, padding_mode="zeros").to(dtype), torch.randn(1, 2, 112, 97).to(dtype)
    y, expected = as_matmul(layer, x).model(x), layer(x)
    assert y.dtype == dtype
    assert (
        relative_error((y - expected).double(), expected.double()) < {torch.float32: 1e-5, torch.float16: 2e-3}[dtype]
    )


def test_a_layer_with_a_kernel_size_becomes_a_convolution_with_all_its_taps() -> None:
    layer = FrequencyConv2d(4, 4, 5, stride=2, groups=2, padding_mode="reflect")
    products = as_matmul(layer, torch.randn(1, 4, 9, 8))
    assert products.model.weight.shape == (4, 2, 5, 5)
    other = torch.randn(1, 4, 12, 7)  # a plain convolution is not for one map
    assert_near(products.model(other), layer(other))
    assert products.report.layers[0].outcome == "plain convolution, for maps of any size"


class Pyramid(nn.Module):
    """One layer on maps of two sizes, one that runs once, and one that never does."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.several = FrequencyConv2d(4, 4, groups=4, **options)
        self.once = FrequencyConv2d(4, 4)
        self.unused = FrequencyConv2d(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.once(self.several(x))
        return self.several(F.avg_pool2d(x, 2))


def test_layers_that_cannot_be_products_are_kept_with_the_reason() -> None:
    model, x = Pyramid(filter=Envelope(SMALL, width=1.0)), torch.randn(1, 4, 8, 6)
    products = as_matmul(model, x)
    several, once, unused = products.report.layers
    assert several.reason == "kept: maps of (8, 6), (4, 3) reach it, but constant matrices are for maps of one size"
    assert "the example input does not reach it in eval mode" in unused.reason
    assert once.replaced
    assert once.parameters_after > once.parameters_before
    assert products.model.several is not model.several  # a copy
    assert_near(products.model(x), model(x))
    assert repr(products) == "Products(Pyramid, 1 of 3 frequency layers replaced)"
    assert "once     matrix products, for maps of 8 x 6 only" in str(products)


def test_hooks_and_modes_go_with_the_layer() -> None:
    model, x = nn.Sequential(FrequencyConv2d(2, 2), nn.ReLU()), torch.randn(1, 2, 6, 6)
    model[0].register_forward_hook(lambda _module, _args, y: 2 * y)
    model[1].eval()
    new = as_matmul(model, x).model
    assert_near(new(x), model(x))
    assert [m.training for m in new.modules()] == [True, True, False]


def test_the_size_of_a_map_is_checked() -> None:
    model = as_matmul(FrequencyConv2d(2, 2), torch.randn(1, 2, 6, 5)).model
    with pytest.raises(ValueError, match=r"map of \(5, 6\), but the constant matrices are for maps of \(6, 5\)"):
        model(torch.randn(1, 2, 5, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        warnings.simplefilter("error", torch.jit.TracerWarning)
        torch.jit.trace(model, torch.randn(1, 2, 6, 5))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (FrequencyConv1d(4, 4, groups=4), (2, 4, 9)),
        (FrequencyConv2d(4, 6, stride=2, padding_mode="reflect"), (2, 4, 7, 8)),
        (layer_class(3)(4, 4, groups=2, padding_mode="zeros"), (2, 4, 3, 4, 5)),
    ],
)
def test_an_exported_layer_is_products_sums_and_views_of_real_numbers(layer: Any, shape: tuple[int, ...]) -> None:
    x = torch.randn(*shape)
    model = as_matmul(layer, x).model.eval()
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(model, (x,), dynamic_shapes=(batch,)).run_decompositions()
    calls = [n for n in program.graph.nodes if n.op == "call_function" and isinstance(n.target, torch._ops.OpOverload)]
    kinds = {node.target.overloadpacket.__name__ for node in calls}
    # Two that compute nothing: the size of the open batch, and a check of `Tensor.to`.
    assert kinds - {"sym_size", "_assert_tensor_metadata"} <= PRODUCTS | VIEWS
    assert kinds & {"mm", "bmm"}
    values = [node.meta.get("val") for node in calls]
    assert {value.dtype for value in values if isinstance(value, Tensor)} == {torch.float32}
    more = torch.randn(5, *shape[1:])
    assert_near(program.module()(more), layer(more))


def test_an_open_map_is_refused() -> None:
    x = torch.randn(1, 2, 6, 5)
    model = as_matmul(FrequencyConv2d(2, 2), x).model
    with pytest.raises(ValueError, match=r"dynamic size .* but its constant matrices are for maps of \(6, 5\); leave"):
        torch.export.export(model, (x,), dynamic_shapes=({2: torch.export.Dim.DYNAMIC},))


def net() -> nn.Module:
    """Global depthwise layers with 1x1 convolutions, one with zeros around the map, a block, and a finite kernel."""
    plain = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    more: list[nn.Module] = [FrequencyConv2d(8, 8, padding_mode="zeros"), nn.ReLU(), LCConv2d(8, 4, expansion=2)]
    return nn.Sequential(*convert(plain).model, *more, FrequencyConv2d(4, 4, 5, method="fft"), nn.Flatten())


def test_a_network_is_exported_without_a_transform(tmp_path: Path) -> None:
    model, x = net().eval(), torch.randn(2, 3, 13, 12)
    report = export_onnx(model, x, tmp_path / "a.onnx", form="matmul")
    assert report.error < 1e-5
    assert report.nodes["MatMul"] > 0
    graph = onnx.load(tmp_path / "a.onnx").graph
    assert not [node for node in graph.node if "DFT" in node.op_type or node.domain not in ("", "ai.onnx")]
    program = torch.export.export(as_matmul(model, x).model, (x,))
    assert not [node for node in program.graph.nodes if any(w in str(node.target) for w in ("fft", "nifconv"))]
    expected = model(x).detach()
    assert relative_error(program.module()(x).detach() - expected, expected) < 1e-5


def test_an_export_refuses_a_layer_on_maps_of_several_sizes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"form='matmul' .* 'several' is kept: maps of \(8, 6\), \(4, 3\)"):
        export_onnx(Pyramid(), torch.randn(1, 4, 8, 6), tmp_path / "a.onnx", form="matmul")
    # A finite kernel serves on both maps, and the layer that never runs is not in the graph.
    report = export_onnx(Pyramid(kernel_size=3), torch.randn(1, 4, 8, 6), tmp_path / "a.onnx", form="matmul")
    assert "DFT" not in report.nodes
