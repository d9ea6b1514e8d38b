"""With `match=True` a converted model keeps the function of the original, where the filters can express it."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nifconv import (
    Envelope,
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    LCConv2d,
    SpatialFilter,
    TableFilter,
    convert,
    frozen,
)
from nifconv.conversion._match import match_layer
from tests.conversion.matching import matched
from tests.nets import CONVS, convs, input_for
from tests.tolerances import assert_near

pytestmark = pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel lengths", "ignore:match=True leaves"
)


def best_residual(conv: nn.Module, rank: int) -> float:
    """|W - best approximation of that rank| / |W| over the matrices of each input channel (Eckart & Young)."""
    per_group = conv.out_channels // conv.groups
    lost = 0.0
    for group in conv.weight.detach().double().split(per_group):
        for channel in range(group.shape[1]):
            strength = torch.linalg.svdvals(group[:, channel].flatten(1))
            lost += strength[rank:].square().sum().item()
    return math.sqrt(lost) / conv.weight.detach().double().norm().item()


def with_zeros(conv: Any) -> Any:
    """The same convolution with zeros around the map."""
    new = type(conv)(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
        conv.bias is not None,
        dtype=conv.weight.dtype,
    )
    new.load_state_dict(conv.state_dict())
    return new


@given(convs())
@settings(max_examples=100)
def test_dense_taps_keep_the_function_of_every_convolution(conv: Any) -> None:
    new, residual = matched(conv, to="dense")
    assert residual == 0
    x = input_for(conv)
    assert_near(new(x), conv(x))


@given(convs(odd=True), st.sampled_from([2, 4]))
def test_a_larger_kernel_keeps_the_function_too(conv: Any, more: int) -> None:
    conv.padding_mode = "zeros" if conv.padding_mode != "circular" else "circular"
    new, residual = matched(conv, to="dense", kernel_size=[k + more for k in conv.kernel_size])
    assert residual == 0
    x = input_for(conv)
    assert_near(new(x), conv(x))


@given(convs(depthwise=True))
def test_split_keeps_the_function_of_a_depthwise_convolution(conv: Any) -> None:
    new, residual = matched(conv, to="split")
    assert residual == 0
    x = input_for(conv)
    assert_near(new(x), conv(x))


@given(convs(), st.integers(1, 10))
def test_lc_keeps_the_function_exactly_when_there_are_filters_enough(conv: Any, expansion: int) -> None:
    new, residual = matched(conv, to="lc", expansion=expansion)
    x = input_for(conv)
    change = ((new(x) - conv(x)).norm() / conv(x).norm()).item()
    if expansion >= min(conv.out_channels // conv.groups, math.prod(conv.kernel_size)):
        assert residual < 1e-10
        assert_near(new(x), conv(x))
    else:
        assert residual > 1e-6
        assert change > 1e-6


@given(convs(), st.integers(1, 4))
def test_below_that_it_is_the_best_approximation_of_its_rank(conv: Any, expansion: int) -> None:
    _, residual = matched(conv, to="lc", expansion=expansion)
    assert residual == pytest.approx(best_residual(conv, expansion), abs=1e-10)
    _, split = matched(conv, to="split")
    expected = 0.0 if conv.groups == conv.in_channels else best_residual(conv, 1)
    assert split == pytest.approx(expected, abs=1e-10)


@given(convs(keeps_size=True))
def test_a_table_as_large_as_the_map_keeps_the_function(conv: Any) -> None:
    if conv.padding_mode in ("reflect", "replicate"):
        conv = with_zeros(conv)
    new, residual = matched(conv, to="dense", filter=partial(TableFilter, size=5))
    x = input_for(conv)
    assert new.kernel_size is None
    assert residual < 1e-12
    assert_near(new(x), conv(x))


def test_a_global_kernel_finds_the_tap_before_the_middle_of_an_even_kernel() -> None:
    conv = nn.Conv2d(2, 2, (2, 4), padding="same", dilation=(3, 1), dtype=torch.float64)
    new, residual = matched(conv, to="dense", filter=partial(TableFilter, size=9))
    x = input_for(conv)
    assert residual < 1e-12
    assert_near(new(x), conv(x))


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
def test_single_precision_is_kept_to_its_rounding(ndim: int, mode: str) -> None:
    x = torch.randn(1, 8, *(9, 8, 7)[:ndim])
    for groups, options in (
        (1, {"to": "dense"}),
        (2, {"to": "dense"}),
        (8, {"to": "split"}),
        (2, {"to": "lc", "expansion": 4}),
    ):
        conv = CONVS[ndim](8, 8, 3, padding=1, groups=groups, padding_mode=mode)
        new, _ = matched(conv, **options)
        assert (new(x) - conv(x)).norm() < 1e-5 * conv(x).norm()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_keeps_its_own(dtype: torch.dtype) -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1, dtype=dtype)
    for options in ({"to": "dense"}, {"to": "lc", "expansion": 8}):
        new, residual = matched(conv, **options)
        x = torch.randn(1, 8, 6, 6, dtype=dtype)
        assert new(x).dtype == dtype
        assert residual < 20 * torch.finfo(dtype).eps
        assert_near(new(x), conv(x))


@pytest.mark.parametrize("filter", [frozen(ImplicitFilter, seed=1), FilterBank(ImplicitFilter, 64)])
def test_filters_that_do_not_learn_are_solved_by_the_1x1(filter: Any) -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1, groups=2, padding_mode="circular", dtype=torch.float64)
    x = torch.randn(1, 4, 7, 7, dtype=torch.float64)
    new, residual = matched(conv, to="lc", expansion=9, kernel_size=3, filter=filter)
    before = convert(conv, to="lc", expansion=9, kernel_size=3, where="*", filter=filter).model
    assert torch.equal(new.spatial.filter.taps(3), before.spatial.filter.taps(3))
    assert residual < 1e-6
    assert ((new(x) - conv(x)).norm() / conv(x).norm()).item() < 1e-6

    few, residual = matched(conv, to="lc", expansion=2, kernel_size=3, filter=filter)
    spatial = few.spatial.filter.taps(3).detach().double().flatten(1).unflatten(0, (4, 2))
    target = conv.weight.detach().flatten(2)
    lost = 0.0
    for o in range(6):
        for i in range(2):
            basis = spatial[(o // 3) * 2 + i]
            solution = torch.linalg.lstsq(basis.T, target[o, i].unsqueeze(1)).solution
            lost += (basis.T @ solution - target[o, i].unsqueeze(1)).square().sum().item()
    assert residual == pytest.approx(math.sqrt(lost) / target.norm().item(), rel=1e-6)


def test_frozen_and_shared_filters_stand_alone_only_without_match() -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1)
    with pytest.raises(ValueError, match=r"ImplicitFilter\(8, 8.* is frozen and cannot be fitted; use a trainable"):
        convert(conv, to="dense", filter=frozen(ImplicitFilter, seed=0), match=True)
    with pytest.raises(ValueError, match=r"FilterSlice\(8, 8.* is shared with other layers and cannot be fitted"):
        convert(conv, to="dense", filter=FilterBank(ImplicitFilter, 64), match=True)
    assert convert(conv, to="dense", filter=frozen(ImplicitFilter, seed=0)).report.replaced


@pytest.mark.parametrize(
    ("filter", "largest"),
    [
        (SpatialFilter, 1e-5),
        (partial(TableFilter, size=7), 1e-5),
        (partial(ImplicitFilter, hidden=(8, 8)), 0.5),
        (Envelope(partial(ImplicitFilter, hidden=(8, 8)), 2.0), 0.5),
    ],
)
def test_weights_of_zero_and_of_low_rank_are_met(filter: Any, largest: float) -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular")
    nn.init.zeros_(conv.weight)
    for options in ({"to": "dense"}, {"to": "lc", "expansion": 3}, {"to": "split"}):
        new, residual = matched(conv, filter=filter, **options)
        assert residual == 0
        x = torch.randn(1, 4, 6, 6)
        assert_near(new(x), conv(x))
    with torch.no_grad():
        conv.weight.copy_(torch.randn(6, 4, 1, 1) * torch.randn(1, 1, 3, 3))
    for expansion in (1, 2, 30):
        new, residual = matched(conv, to="lc", expansion=expansion, filter=filter)
        assert residual < largest
        assert all(p.isfinite().all() for p in new.parameters())


def test_directions_without_strength_keep_their_initial_filters() -> None:
    conv = nn.Conv2d(2, 6, 3, padding=1)
    with torch.no_grad():
        conv.weight.copy_(torch.randn(6, 2, 1, 1) * torch.randn(1, 1, 3, 3))
    new, _ = matched(conv, to="lc", expansion=4)
    for filters in new.spatial.filter.weight.detach().flatten(1).unflatten(0, (2, 4)):
        assert torch.linalg.svdvals(filters)[-1] > 1e-3


def test_the_1x1_pixel_map_is_a_map() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1)
    x = torch.randn(2, 4, 1, 1)
    for options in ({"to": "dense"}, {"to": "lc", "expansion": 4}):
        conversion = convert(conv, match=True, filter=SpatialFilter, example_input=x, **options)
        assert conversion.report.output_change < 1e-5


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            lambda: FrequencyConv2d(8, 8, 5, padding=1, filter=SpatialFilter),
            r"FrequencyConv2d\(8, 8, kernel_size=\(5, 5",
        ),
        (lambda: FrequencyConv2d(8, 8, 3, 2, padding=1, filter=SpatialFilter), r"stride=\(2, 2\)"),
        (lambda: FrequencyConv2d(8, 8, 3, dilation=2, filter=SpatialFilter), r"dilation=\(2, 2\)"),
        (lambda: FrequencyConv2d(8, 8, 3, groups=2, filter=SpatialFilter), "groups=2"),
        (lambda: LCConv2d(8, 8, 3, depthwise=False), r"LCConv2d\(expansion=1\)"),
        (lambda: nn.Identity(), r"Identity\(\)"),
    ],
)
def test_a_layer_that_cannot_have_the_function_is_refused(layer: Any, said: str) -> None:
    message = rf"match=True cannot give .*{said}.* the function of Conv2d\(8, 8.*; use a FrequencyConv or"
    with pytest.raises(ValueError, match=message):
        convert(nn.Conv2d(8, 8, 3, padding=1), to=lambda name, conv: layer(), match=True)


def test_a_layer_of_other_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot give FrequencyConv2d\(4, 8"):
        match_layer(FrequencyConv2d(4, 8), nn.Conv2d(8, 8, 3, padding=1), [(3, 3)])


def test_layers_of_a_function_are_matched_too() -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1)
    block = LCConv2d(8, 8, 5, padding_mode="zeros", expansion=8, filter=SpatialFilter)
    new, residual = matched(conv, to=lambda name, conv: block)
    assert new is block
    x = torch.randn(1, 8, 7, 7)
    assert residual < 1e-6
    assert_near(new(x), conv(x))


def test_weights_without_values_cannot_be_matched() -> None:
    with pytest.raises(ValueError, match=r"match=True cannot read Conv2d\(8, 8.*on the meta device; load its weights"):
        convert(nn.Conv2d(8, 8, 3, padding=1, device="meta"), match=True)


@pytest.mark.filterwarnings("ignore:convert replaced none")
def test_convolutions_that_share_a_weight_have_one_filter_where_it_can_serve_both() -> None:
    def net(dilation: int) -> nn.Sequential:
        one = nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")
        two = nn.Conv2d(4, 4, 3, padding=dilation, dilation=dilation, padding_mode="circular")
        two.weight = one.weight
        return nn.Sequential(one, two)

    x = torch.randn(1, 4, 9, 9)
    for dilation, kind, replaced in (
        (1, partial(TableFilter, size=9), 2),
        (2, SpatialFilter, 2),
        (2, partial(TableFilter, size=9), 0),
    ):
        old = net(dilation)
        conversion = convert(old, to="dense", filter=kind, where=lambda *_: True, match=True)
        assert len(conversion.report.replaced) == replaced
        assert_near(conversion.model(x), old(x))
        if replaced:
            assert conversion.model[0].filter is conversion.model[1].filter
        else:
            assert all("its weight is tied to that of another module" in d.reason for d in conversion.report.kept)
