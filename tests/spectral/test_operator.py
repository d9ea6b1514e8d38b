"""The registered operator: values against plain FFTs, chunks and precision, and what PyTorch asks of operators."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd

from experiments.bench.memory import peak_bytes
from nifconv import FrequencyConv2d, LCConv2d, frequency
from nifconv.spectral import _onnx, _operator, _products, _transforms
from tests.spectral.operands import CASES, arguments, learned
from tests.tolerances import assert_near


@pytest.fixture(params=[None, 1], ids=["chunks of the default size", "chunks of one plane"])
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setitem(_products._CHUNK_BYTES, "cpu", request.param)
        monkeypatch.setattr(_products, "_batches", lambda x, *_: [slice(b, b + 1) for b in range(len(x))])


@pytest.mark.usefixtures("_chunks")
@pytest.mark.parametrize("method", ["fft", "native", "fused", "auto"])
def test_equals_plain_ffts_and_their_gradients(case: str, method: str) -> None:
    operands = learned(case, method)
    y, expected = _operator.apply(*operands), _onnx.apply(*operands)
    assert_near(y, expected)
    dy = torch.randn_like(y)
    for ours, theirs in zip(
        torch.autograd.grad(y, operands[:2], dy), torch.autograd.grad(expected, operands[:2], dy), strict=True
    ):
        assert_near(ours, theirs)


@pytest.mark.parametrize("method", ["fft", "native", "fused", "auto"])
def test_expanded_maps_and_gradients_are_like_others(case: str, method: str) -> None:
    """The gradient of a sum is one number, expanded; MKL in torch 2.8 refuses to transform it."""
    x, *rest = arguments(case, method=method)
    x = x[:1].expand_as(x).requires_grad_()
    y, expected = _operator.apply(x, *rest), _onnx.apply(x * 1, *rest)
    assert_near(y, expected)
    dy = torch.ones((), dtype=x.dtype).expand_as(y)
    (dx,), (theirs,) = torch.autograd.grad(y, x, dy), torch.autograd.grad(expected, x, dy.contiguous())
    assert_near(dx, theirs)


@pytest.mark.parametrize("device_type", ["cpu", "elsewhere"])
def test_chunks_cover_every_plane_once(device_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _, _, _, size, *_ = arguments("multiplier on a larger grid")
    monkeypatch.setattr(_products, "_CHUNK_BYTES", {} if device_type == "elsewhere" else {"cpu": 2 * 4 * 20 * 20})
    seen = torch.zeros(x.shape[:2])
    for samples, channels in _products._chunks(x, 1, _products.Placement(size, (8, 7), (1, 1))):
        seen[samples, channels] += 1
    assert seen.eq(1).all()


def test_chunks_leave_room_for_several_filters_of_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_products, "_CHUNK_BYTES", {"cpu": 4 * 4 * 64})
    x, place = torch.zeros(2, 4, 8, 8), _products.Placement((8, 8), (8, 8), (1, 1))
    for multiplier in (1, 2, 4):
        samples, channels = next(_products._chunks(x, multiplier, place))
        assert (samples, channels) == (slice(0, 1), slice(0, 4 // multiplier))


@pytest.mark.filterwarnings("ignore")  # of the profiler
def test_sums_over_channels_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_products, "_DENSE_BYTES", {"cpu": 1 << 20})
    spectrum = torch.randn(4, 4, *frequency.half_shape((32, 32)), 2, requires_grad=True)
    rest = (1, "fft", (32, 32), (1, 1), (1, 1), (32, 32))

    def extra(batch: int) -> int:
        x = torch.randn(batch, 4, 32, 32, requires_grad=True)
        dy = torch.randn_like(x)
        outputs = 2 * x.nbytes  # y and dx
        return peak_bytes(lambda: torch.autograd.grad(_operator.apply(x, spectrum, *rest), (x, spectrum), dy)) - outputs

    assert extra(512) < 1.2 * extra(128)


def test_the_fft_takes_over_where_matrix_products_are_less_precise(case: str) -> None:
    operands = arguments(case, torch.float32)
    exact = _operator.apply(*(t.double() if isinstance(t, Tensor) else t for t in operands))
    _transforms._matrices.cache_clear()
    torch.set_float32_matmul_precision("medium")
    try:
        y = _operator.apply(*operands)
        assert _transforms._matrices.cache_info().misses == 0
    finally:
        torch.set_float32_matmul_precision("highest")
    if CASES[case][2] > 1:  # a dense layer is a matrix product in any case
        assert_near(y, exact, dtype=torch.float32)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("case", ["depthwise on small maps", "groups with folding"])
def test_passes_the_checks_of_torch_library(case: str) -> None:
    x, spectrum, *geometry = learned(case)
    torch.library.opcheck(_operator._forward, (x, spectrum, *geometry))
    dy = torch.randn(3, len(spectrum), *geometry[-1], dtype=x.dtype, requires_grad=True)
    torch.library.opcheck(_operator._backward, (x, spectrum, dy, *geometry[:-1], True, True))


def test_keeps_the_input_and_the_spectrum_and_nothing_else() -> None:
    x, spectrum, *geometry = learned("depthwise on short rows")
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _operator.apply(x, spectrum, *geometry)
    assert {t.data_ptr() for t in kept} == {x.data_ptr(), spectrum.data_ptr()}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("case", ["depthwise on short rows", "groups with folding"])
def test_half_precision_computes_in_float32(case: str, dtype: torch.dtype) -> None:
    x, spectrum, *geometry = arguments(case, torch.float32)
    x, spectrum = x.to(dtype).requires_grad_(), spectrum.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = _operator.apply(x, spectrum, *geometry)
    exact_operands = x.detach().double().requires_grad_(), spectrum.detach().double().requires_grad_()
    exact = _operator.apply(*exact_operands, *geometry)
    assert y.dtype == dtype
    assert_near(y, exact)
    dy = torch.randn_like(y)
    dx, dh = torch.autograd.grad(y, (x, spectrum), dy)
    expected = torch.autograd.grad(exact, exact_operands, dy.double())
    assert (dx.dtype, dh.dtype) == (dtype, torch.float32)
    assert_near(dx, expected[0])
    assert_near(dh, expected[1])


@pytest.mark.parametrize(("ndim", "layout"), [(2, torch.channels_last), (3, torch.channels_last_3d)])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("method", ["fft", "native"])
def test_channels_last_in_and_out(ndim: int, layout: torch.memory_format, groups: int, method: str) -> None:
    size = (9, 8, 6)[:ndim]
    spectrum = torch.randn(4, 4 // groups, *frequency.half_shape(size), 2)
    x = torch.randn(2, 4, *size).contiguous(memory_format=layout).requires_grad_()
    rest = (groups, method, size, (1,) * ndim, (1,) * ndim, size)
    y = _operator.apply(x, spectrum, *rest)
    assert y.is_contiguous(memory_format=layout)
    assert_near(y, _operator.apply(x.detach().contiguous(), spectrum, *rest))
    (dx,) = torch.autograd.grad(y.square().sum(), x)
    assert dx.is_contiguous(memory_format=layout)


def test_an_empty_batch_has_gradients_of_zero(case: str) -> None:
    x, spectrum, *geometry = learned(case)
    y = _operator.apply(x[:0], spectrum, *geometry)
    dx, dh = torch.autograd.grad(y.sum(), (x, spectrum), allow_unused=True)
    assert dx.eq(0).all()
    assert dh.eq(0).all()


@pytest.mark.parametrize("layer", [FrequencyConv2d(4, 4, groups=4), LCConv2d(4, 3, expansion=2)])
def test_a_compiled_training_step_meets_no_complex_number(layer: nn.Module) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def inspect(graph: torch.fx.GraphModule, _: Sequence[Tensor]) -> Any:
        graphs.append(graph)
        return make_boxed_func(graph.forward)

    x = torch.randn(2, 4, 9, 8)
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from inside PyTorch's own tracer
        compiled = torch.compile(copy.deepcopy(layer), fullgraph=True, backend=aot_autograd(fw_compiler=inspect))
        compiled(x).square().sum().backward()
    layer.zero_grad()
    layer(x).square().sum().backward()
    for ours, theirs in zip(compiled.parameters(), layer.parameters(), strict=True):
        assert_near(ours.grad, theirs.grad)
    values = [node.meta.get("val") for graph in graphs for node in graph.graph.nodes]
    assert len(graphs) == 2
    assert not [v for v in values if isinstance(v, Tensor) and v.is_complex()]


def test_compiles_with_inductor() -> None:
    layer, x = FrequencyConv2d(4, 4, groups=4), torch.randn(2, 4, 9, 8)
    torch.compiler.reset()
    assert_near(torch.compile(layer, fullgraph=True)(x), layer(x))


def test_exports_with_an_open_batch() -> None:
    layer, x = FrequencyConv2d(4, 4, groups=4), torch.randn(2, 4, 9, 8)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    more = torch.randn(5, 4, 9, 8)
    assert_near(program.module()(more), layer(more))


@pytest.mark.filterwarnings("ignore")  # of the exporter's own packages
def test_exports_to_onnx() -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    layer, x = FrequencyConv2d(4, 4, groups=4, stride=2), torch.randn(2, 4, 8, 10)
    program = torch.onnx.export(layer, (x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert_near(torch.from_numpy(y), layer(x).detach())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("axis", [2, 3])
def test_onnx_with_an_open_map_is_refused_in_words(axis: int) -> None:
    layer, x = FrequencyConv2d(4, 4, groups=4), torch.randn(2, 4, 8, 10)
    open_axis = ({axis: torch.export.Dim.DYNAMIC},)
    with pytest.raises(Exception, match=r"the map has the dynamic size \(.*s\d+.*\), but a graph with DFT nodes"):
        torch.onnx.export(layer, (x,), dynamo=True, verbose=False, dynamic_shapes=open_axis)
