"""`bake` on one layer: values, bounds and kernel sizes."""

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nifconv import (
    Envelope,
    FrequencyConv2d,
    ImplicitFilter,
    LCConv2d,
    SpatialFilter,
    TableFilter,
    bake,
)
from nifconv.layers._conv import layer_class
from nifconv.layers._linear_combination import lc_class
from tests.nets import PLAIN, is_plain, kernel_of
from tests.tolerances import assert_near

MODES = ["circular", "zeros", "reflect", "replicate"]
LOCAL = Envelope(partial(ImplicitFilter, hidden=(4,)), width=1.5)


@st.composite
def layers(draw: st.DrawFn, *, lc: bool = False) -> tuple[Any, Tensor]:
    """A frequency layer of any geometry in float64, and an input for it."""
    ndim = draw(st.sampled_from([1, 2, 2, 3]))
    size = tuple(draw(st.integers(4, 8)) for _ in range(ndim))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    mode, groups = draw(st.sampled_from(MODES)), draw(st.sampled_from([1, 2]))
    kernel = draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 4)] * ndim)))
    padding: Any = "same" if kernel is None else draw(st.sampled_from(["same", "valid", 1, 2]))
    dilation = 1 if kernel is None or padding == "valid" else draw(st.integers(1, 2))
    if padding == "same" and kernel and mode != "zeros":
        kernel = tuple(min(k, 3) for k in kernel)
    if padding in (1, 2) and kernel:
        kernel = tuple(min(k, 3) for k in kernel)
    options: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": draw(st.booleans()),
        "padding_mode": mode,
        "filter": partial(ImplicitFilter, hidden=(4,)),
        "dtype": torch.float64,
    }
    with torch.random.fork_rng():
        torch.manual_seed(draw(st.integers(0, 99)))
        if lc:
            layer: Any = lc_class(ndim)(4, 2 * groups, kernel, expansion=draw(st.integers(1, 4)), **options)
        else:
            layer = layer_class(ndim)(4, 2 * groups, kernel, **options)
        last = layer.pointwise if lc else layer
        if last.bias is not None:
            nn.init.normal_(last.bias)
        return layer, torch.rand(2, 4, *size, dtype=torch.float64) * 2 - 1


@given(layers())
@settings(max_examples=60)
def test_a_baked_layer_is_the_layer(case: tuple[Any, Tensor]) -> None:
    layer, x = case
    baked = bake(layer, x)
    (entry,) = baked.report.layers
    assert is_plain(baked.model)
    assert_near(baked.model(x), layer(x))
    assert max(baked.report.error, entry.error) < 1e-11
    assert entry.kernel_before == layer.applied_size(x.shape[2:])


@given(layers(lc=True))
def test_a_baked_block_is_the_block_with_the_fewer_multiplications(case: tuple[Any, Tensor]) -> None:
    block, x = case
    baked = bake(block, x)
    assert is_plain(baked.model)
    assert_near(baked.model(x), block(x))
    convs: list[Any] = [m for m in baked.model.modules() if isinstance(m, PLAIN)]
    taps = convs[0].weight.shape[2:].numel()
    apart = block.spatial.out_channels * taps + block.pointwise.weight.numel()
    together = block.out_channels * (block.in_channels // block.groups) * taps
    assert len(convs) == (2 if block.expansion == 1 or apart <= together else 1)


@given(layers(), st.sampled_from([1e-3, 0.05, 0.3]))
def test_the_bound_holds_for_inputs_between_minus_one_and_one(case: tuple[Any, Tensor], tolerance: float) -> None:
    layer, x = case
    layer.bias = None
    baked = bake(layer, x, tolerance=tolerance)
    (entry,) = baked.report.layers
    assert entry.bound <= tolerance + 1e-12
    taps = layer.filter.taps(layer.applied_size(x.shape[2:])).detach()
    largest = taps.abs().flatten(1).sum(1).max().item()
    for given_input in (x, x.sign()):
        change = (baked.model(given_input) - layer(given_input)).abs().max().item()
        assert change <= (entry.bound + 1e-11) * largest


@pytest.mark.parametrize("to", ["dense", "lc"])
@pytest.mark.parametrize("tolerance", [0.03, 0.2])
def test_no_input_of_signs_breaks_the_bound_and_one_comes_close(to: str, tolerance: float) -> None:
    layer: Any = FrequencyConv2d(3, 4, filter=LOCAL, bias=False)
    if to == "lc":
        layer = LCConv2d(3, 4, filter=LOCAL, bias=False)
    x = torch.rand(1, 3, 9, 8) * 2 - 1
    layer, x = layer.double(), x.double()
    baked = bake(layer, x, tolerance=tolerance)
    (entry,) = baked.report.layers
    assert 0 < entry.bound <= tolerance

    def worst(model: Any) -> float:
        """The largest output for inputs in [-1, 1]: an input of the signs with which it reads the map."""
        found = 0.0
        for channel in range(4):
            read = x.clone().requires_grad_()
            model(read)[0, channel, 4, 4].backward()
            found = max(found, read.grad.abs().sum().item())
        return found

    change = worst(lambda given_input: baked.model(given_input) - layer(given_input))
    assert change <= entry.bound * worst(layer) * (1 + 1e-9)
    assert change == pytest.approx(entry.bound * worst(layer))


@pytest.mark.parametrize("mode", ["circular", "zeros"])
@pytest.mark.parametrize("tolerance", [0.01, 0.1, 0.5])
def test_the_next_smaller_window_would_break_the_tolerance(mode: str, tolerance: float) -> None:
    layer = FrequencyConv2d(3, 4, padding_mode=mode, filter=LOCAL)
    baked = bake(layer, torch.randn(1, 3, 9, 10), tolerance=tolerance)
    (entry,) = baked.report.layers
    taps = layer.filter.taps(layer.applied_size((9, 10))).detach().double()
    whole = taps.abs().flatten(1).sum(1).max()

    def lost(window: int) -> float:
        keep = torch.zeros(taps.shape[2:], dtype=torch.bool)
        places = [slice(max(n // 2 - window // 2, 0), n // 2 + window // 2 + 1) for n in taps.shape[2:]]
        keep[places[0], places[1]] = True
        return ((taps * ~keep).abs().flatten(1).sum(1).max() / whole).item()

    window = max(entry.kernel_after)
    assert entry.kernel_after == tuple(kernel_of(baked.model).shape[2:])
    assert window % 2 == 1
    assert lost(window) == pytest.approx(entry.bound, abs=1e-6)
    assert lost(window) <= tolerance
    assert window == 1 or lost(window - 2) > tolerance


def test_a_kernel_that_is_zero_beyond_a_window_is_cut_to_it_at_no_tolerance() -> None:
    layer = FrequencyConv2d(4, 4, filter=partial(SpatialFilter, kernel_size=3))
    x = torch.randn(1, 4, 12, 11)
    baked = bake(layer, x)
    assert kernel_of(baked.model).shape == (4, 4, 3, 3)
    assert_near(baked.model(x), layer(x))


@pytest.mark.parametrize("padding", ["valid", 0, 1])
def test_a_kernel_with_a_size_is_cut_by_no_more_than_its_padding(padding: Any) -> None:
    layer = FrequencyConv2d(4, 4, 5, padding=padding, padding_mode="zeros", filter=SpatialFilter)
    with torch.no_grad():
        layer.filter.weight.mul_(1e-6)[..., 2, 2].add_(1)
    x = torch.randn(1, 4, 9, 8)
    baked = bake(layer, x, tolerance=0.1)
    assert kernel_of(baked.model).shape[2:] == ((3, 3) if padding == 1 else (5, 5))
    assert baked.model(x).shape == layer(x).shape
    assert (baked.model(x) - layer(x)).norm() < 1e-3 * layer(x).norm()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", ["same", 4, 3])
def test_a_dilated_kernel_is_cut_in_steps_of_its_dilation(mode: str, padding: Any) -> None:
    layer = FrequencyConv2d(4, 4, 5, 1, padding, 2, padding_mode=mode, filter=SpatialFilter, dtype=torch.float64)
    ring = torch.ones(5, 5, dtype=torch.bool)
    ring[1:4, 1:4] = False
    with torch.no_grad():
        layer.filter.weight[..., ring] = 0
    x = torch.randn(1, 4, 9, 8, dtype=torch.float64)
    baked = bake(layer, x)
    assert kernel_of(baked.model).shape[2:] == (3, 3)
    assert_near(baked.model(x), layer(x))


def test_a_layer_of_zeros_becomes_one_tap() -> None:
    layer = FrequencyConv2d(4, 4, filter=partial(SpatialFilter, kernel_size=3))
    nn.init.zeros_(layer.filter.weight)
    baked = bake(layer, torch.randn(1, 4, 6, 6))
    assert kernel_of(baked.model).shape == (4, 4, 1, 1)
    assert baked.report.layers[0].bound == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("kernel", "padding", "dilation"), [(None, "same", 1), (3, "same", 2), (4, "same", 1), (5, "valid", 1), (3, 2, 1)]
)
def test_the_smallest_map_is_the_smallest_on_which_it_runs(mode: str, kernel: Any, padding: Any, dilation: int) -> None:
    layer = FrequencyConv2d(2, 2, kernel, 1, padding, dilation, padding_mode=mode, filter=LOCAL)
    baked = bake(layer, torch.randn(1, 2, 7, 8))
    smallest = baked.report.layers[0].smallest_map
    assert baked.model(torch.randn(1, 2, *smallest)).numel() > 0
    for axis in (0, 1):
        size = list(smallest)
        size[axis] -= 1
        if size[axis]:
            with pytest.raises((RuntimeError, ValueError, AssertionError)):
                baked.model(torch.randn(1, 2, *size))


def test_at_another_size_the_kernels_are_those_of_the_size_it_was_baked_at() -> None:
    net = nn.Sequential(FrequencyConv2d(2, 2, padding_mode="zeros", filter=partial(TableFilter, size=11)))
    baked = bake(net, torch.randn(1, 2, 6, 6))
    x = torch.randn(1, 2, 9, 5)
    expected = nn.functional.conv2d(x, net[0].filter.taps(11), net[0].bias, padding=5)
    assert_near(baked.model(x), expected)
    assert "runs on other input sizes too" in str(baked.report)
