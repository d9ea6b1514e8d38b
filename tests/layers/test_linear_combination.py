import copy
import itertools
import pickle
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from nifconv import (
    Envelope,
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    LCConv1d,
    LCConv2d,
    LCConv3d,
    SpatialFilter,
    TableFilter,
    footprint,
    frozen,
)
from nifconv.layers._linear_combination import lc_class
from nifconv.spectral import combine
from nifconv.spectral._transforms import Placement
from tests import oracles
from tests.nets import saved_and_loaded
from tests.tolerances import assert_near

FILTERS: dict[str, Any] = {
    "implicit": partial(ImplicitFilter, hidden=(4,)),
    "spatial": partial(SpatialFilter, kernel_size=3),
    "table": partial(TableFilter, size=5),
    "envelope": Envelope(ImplicitFilter, width=2.0),
    "frozen": frozen(ImplicitFilter, seed=0),
    "bank": FilterBank(ImplicitFilter, 200),
}


@pytest.mark.parametrize("filter", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("kernel_size", [None, 3])
def test_equals_the_two_layers_one_after_the_other(filter: Any, depthwise: bool, kernel_size: int | None) -> None:
    modes = ("circular", "zeros")
    for mode, stride, expansion, groups, batch in itertools.product(modes, (1, 2), (1, 3), (1, 2), (1, 30)):
        block = LCConv2d(
            4,
            6,
            kernel_size,
            stride,
            padding_mode=mode,
            expansion=expansion,
            depthwise=depthwise,
            groups=groups,
            filter=filter,
        ).double()
        x = torch.randn(batch, 4, 6, 5, dtype=torch.float64)
        assert_near(block(x), block.pointwise(block.spatial(x)))


@pytest.mark.parametrize("filter", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("ndim", [1, 3])
def test_equals_the_two_layers_in_one_and_three_dimensions(filter: Any, ndim: int) -> None:
    factory = FilterBank(ImplicitFilter, 200, ndim) if isinstance(filter, FilterBank) else filter
    for mode, depthwise in (("circular", True), ("zeros", False)):
        block = lc_class(ndim)(4, 6, padding_mode=mode, expansion=2, depthwise=depthwise, filter=factory).double()
        x = torch.randn(2, 4, *(6, 5, 4)[:ndim], dtype=torch.float64)
        assert_near(block(x), block.pointwise(block.spatial(x)))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_dimension_and_geometry(ndim: int) -> None:
    for padding, dilation, bias, mode in [
        ("valid", 1, True, "zeros"),
        (1, 2, False, "reflect"),
        ("same", 1, True, "replicate"),
    ]:
        block = lc_class(ndim)(4, 6, 3, 2, padding, dilation, bias, mode, expansion=2, dtype=torch.float64)
        x = torch.randn(2, 4, *(9, 8, 7)[:ndim], dtype=torch.float64)
        assert_near(block(x), block.pointwise(block.spatial(x)))
        assert_near(block(x[0]), block(x)[0])
        assert (block.pointwise.bias is not None) == bias


@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_combined_taps_are_the_block_as_one_convolution(depthwise: bool, groups: int) -> None:
    block = LCConv2d(4, 6, expansion=3, depthwise=depthwise, groups=groups, dtype=torch.float64)
    x = torch.randn(2, 4, 6, 7, dtype=torch.float64)
    taps = block.combined_taps((6, 7))
    assert taps.shape == (6, 4 // groups, 6, 7)
    expected = oracles.circular_conv(x, taps, groups) + block.pointwise.bias.view(-1, 1, 1)
    assert_near(block(x), expected)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_combine_is_the_composition_of_channel_matrices(outer: int, inner: int, per_group: int, out: int) -> None:
    groups = outer * inner
    kernels = torch.randn(groups * 2, per_group, dtype=torch.float64)
    pointwise = torch.randn(outer * out, inner * 2, dtype=torch.float64)
    x = torch.randn(1, groups * per_group, 1, dtype=torch.float64)
    two = nn.functional.conv1d(
        nn.functional.conv1d(x, kernels[..., None], groups=groups), pointwise[..., None], groups=outer
    )
    one = nn.functional.conv1d(x, combine(kernels, pointwise, groups)[..., None], groups=outer)
    assert_near(one, two)


@pytest.mark.parametrize("expansion", [1, 4, 16])
@pytest.mark.parametrize("batch", [1, 64])
def test_transforms_no_more_channels_than_it_must(expansion: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"to_spectrum": 0, "to_map": 0}

    def count(name: str) -> None:
        transform = getattr(Placement, name)

        def call(self: Placement, x: torch.Tensor) -> torch.Tensor:
            counts[name] += x.shape[:-2].numel()
            return transform(self, x)

        monkeypatch.setattr(Placement, name, call)

    block = LCConv2d(5, 7, expansion=expansion, method="fft")
    count("to_spectrum")
    count("to_map")
    block(torch.randn(batch, 5, 8, 8))
    # 35 combined kernels save transforms back, but for a single sample they may be larger than what they save.
    responses = 5 * expansion
    combined = responses > 7 and batch * responses >= 35
    assert counts == {"to_spectrum": batch * 5, "to_map": batch * (7 if combined else responses)}


def test_a_dense_sum_over_taps_makes_no_more_maps_than_it_must() -> None:
    block = LCConv2d(5, 7, 3, expansion=16, depthwise=False, filter=SpatialFilter, method="direct", bias=False)
    x = torch.randn(8, 5, 6, 6)
    taps, kernels = 3 * 3, 16 * 7
    combining, convolving = 2 * 7 * kernels * 5 * taps, 2 * 8 * 6 * 6 * 7 * 5 * taps
    with FlopCounterMode(display=False) as counter:
        y = block(x)
    assert counter.get_total_flops() == combining + convolving
    separate = nn.functional.conv2d(block.spatial(x), block.pointwise.weight)
    assert_close(y, separate, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("expansion", [1, 8])
def test_the_block_has_the_gain_of_conv_nd_whatever_the_expansion(depthwise: bool, expansion: int) -> None:
    block = LCConv2d(16, 64, bias=False, expansion=expansion, depthwise=depthwise)
    x = torch.randn(16, 16, 14, 14)
    assert_close((block(x).std() / x.std()).item(), 3**-0.5, rtol=0.15, atol=0)


def test_structure_and_parameters() -> None:
    block = LCConv2d(4, 6, 3, expansion=8, filter=frozen(SpatialFilter, seed=0))
    assert isinstance(block.spatial, FrequencyConv2d)
    assert (block.spatial.out_channels, block.spatial.groups) == (32, 4)
    assert block.pointwise.weight.shape == (6, 32, 1, 1)
    assert {name for name, _ in block.named_parameters()} == {"pointwise.weight", "pointwise.bias"}
    dense = LCConv2d(4, 6, 3, expansion=8, depthwise=False, filter=SpatialFilter)
    assert dense.spatial.filter.weight.shape == (48, 4, 3, 3)
    assert dense.pointwise.weight.shape == (6, 48, 1, 1)
    assert "expansion=8" in repr(dense)
    assert [c.ndim for c in (LCConv1d, LCConv2d, LCConv3d)] == [1, 2, 3]


def test_gradients_and_precision() -> None:
    block = LCConv2d(2, 3, expansion=2, dtype=torch.float64)
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,))
    block(x).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in block.parameters())
    half = LCConv2d(2, 3, expansion=2).bfloat16()
    y = half(torch.randn(1, 2, 6, 6).bfloat16())
    assert y.dtype == torch.bfloat16


@pytest.mark.parametrize("filter", FILTERS.values(), ids=FILTERS)
def test_copies_checkpoints_and_compilation(filter: Any) -> None:
    block, other = (LCConv2d(4, 6, expansion=2, filter=filter) for _ in range(2))
    x = torch.randn(2, 4, 6, 5)
    y = block(x)
    assert torch.equal(copy.deepcopy(block)(x), y)
    assert torch.equal(pickle.loads(pickle.dumps(block))(x), y)  # noqa: S301
    torch.compiler.reset()
    assert_near(torch.compile(block, fullgraph=True, backend="aot_eager")(x), y)
    if not isinstance(filter, FilterBank):  # two blocks of one bank share what would be loaded
        other.load_state_dict(saved_and_loaded(block))
        assert torch.equal(other(x), y)


def test_batches_are_independent_and_may_be_empty() -> None:
    block = LCConv2d(4, 6, expansion=2)
    assert block(torch.zeros(0, 4, 6, 5)).shape == (0, 6, 6, 5)
    x = torch.randn(3, 4, 6, 5)
    alone = block(x[1:2])
    x[0] = float("nan")
    y = block(x)
    assert y[0].isnan().all()
    assert_near(y[1:2], alone)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_near(block(x[1:2]), alone)


def test_a_survey_sees_the_combined_kernels_of_a_block_and_its_spatial_ones() -> None:
    model = torch.nn.Sequential(LCConv2d(2, 3, expansion=4))
    combined, spatial = footprint.survey(model, torch.randn(1, 2, 9, 8)).layers
    assert (combined.name, combined.map_size, tuple(combined.taps.shape)) == ("0", (9, 8), (3, 2, 9, 8))
    assert (spatial.name, spatial.map_size, tuple(spatial.taps.shape)) == ("0.spatial", (9, 8), (8, 1, 9, 8))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"expansion": 0}, ValueError, "expansion=0 must be at least 1"),
        ({"expansion": 1.5}, TypeError, r"expansion=1\.5 must be an integer, not float"),
        ({"groups": 3}, ValueError, "groups=3 must divide in_channels=4; use one of 1, 2"),
        ({"in_channels": 0}, ValueError, "in_channels=0 must be at least 1"),
        ({"padding": 1}, ValueError, r"padding=\(1, 1\) has no meaning for kernel_size=None"),
    ],
)
def test_refuses_senseless_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LCConv2d(**{"in_channels": 4, "out_channels": 6, **options})


def test_has_the_attributes_of_a_convolution() -> None:
    arguments = {
        "kernel_size": (3, 5),
        "stride": (2, 1),
        "padding": (0, 2),
        "dilation": (1, 2),
        "padding_mode": "zeros",
    }
    block, conv = LCConv2d(4, 6, **arguments), nn.Conv2d(4, 6, **arguments)
    for name in ("in_channels", "out_channels", "groups", *arguments):
        assert getattr(block, name) == getattr(conv, name)
    assert LCConv2d(4, 6).kernel_size is None


def test_layers_are_tied_to_layers_of_their_kind_and_shape_alone() -> None:
    assert not FrequencyConv2d(4, 4).tie_to(LCConv2d(4, 4))
    assert not LCConv2d(4, 4).tie_to(FrequencyConv2d(4, 4))
    assert not FrequencyConv2d(4, 4).tie_to(FrequencyConv2d(4, 4, groups=2))
    assert not LCConv2d(4, 4).tie_to(LCConv2d(4, 8))
    assert not LCConv2d(4, 4).tie_to(LCConv2d(4, 4, expansion=2))
