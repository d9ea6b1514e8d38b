import math
import warnings
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
from tests.models import CONVS, convs, input_for, small_net
from tests.tolerances import assert_near

pytestmark = pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel lengths", "ignore:match=True leaves"
)


def matched(model: nn.Module, **options: Any) -> tuple[Any, float]:
    """The converted model, and the residual of its only layer."""
    conversion = convert(model, **{"match": True, "where": "*", "filter": SpatialFilter, **options})
    (decision,) = conversion.report.decisions
    assert decision.replaced, decision.reason
    assert decision.residual is not None
    return conversion.model, decision.residual


def best_residual(conv: nn.Module, rank: int) -> float:
    """|W - best approximation of that rank| / |W| over the matrices of each input channel (Eckart & Young)."""
    per_group = conv.out_channels // conv.groups
    lost = 0.0
    for group in conv.weight.detach().double().split(per_group):
        for channel in range(group.shape[1]):
            strength = torch.linalg.svdvals(group[:, channel].flatten(1))
            lost += strength[rank:].square().sum().item()
    return math.sqrt(lost) / conv.weight.detach().double().norm().item()


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
        conv = _with_zeros(conv)
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


def test_the_residual_counts_the_taps_that_a_smaller_kernel_leaves_out() -> None:
    conv = nn.Conv2d(4, 4, 5, padding=2)
    outside = conv.weight.detach().clone()
    outside[..., 1:4, 1:4] = 0
    for options in (
        {"kernel_size": 3},
        {"kernel_size": 3, "filter": partial(TableFilter, size=9)},
        {"filter": partial(TableFilter, size=3)},
    ):
        _, residual = matched(conv, to="dense", **options)
        assert residual == pytest.approx((outside.norm() / conv.weight.norm()).item(), rel=1e-5)


@pytest.mark.parametrize("map_size", [5, 12])
def test_the_example_says_on_which_maps_the_kernels_are_compared(map_size: int) -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="circular")
    x = torch.randn(1, 4, map_size, map_size)
    conversion = convert(conv, match=True, example_input=x)
    kernel = conversion.model.filter.taps(map_size).detach()
    target = torch.zeros_like(kernel)
    centre = slice(map_size // 2 - 1, map_size // 2 + 2)
    target[..., centre, centre] = conv.weight.detach()
    expected = ((kernel - target).norm() / target.norm()).item()
    assert conversion.report.decisions[0].residual == pytest.approx(expected, rel=1e-3, abs=1e-6)


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


def test_directions_without_strength_keep_fresh_independent_filters() -> None:
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


@pytest.mark.parametrize("options", [{"to": "dense"}, {"to": "lc", "expansion": 9}])
@pytest.mark.parametrize(
    ("mode", "map_size"), [("circular", (2, 2)), ("circular", (1, 9)), ("circular", (1, 1)), ("replicate", (1, 1))]
)
def test_the_residual_knows_that_a_kernel_is_another_one_on_a_map_too_small_for_it(
    mode: str, map_size: tuple[int, int], options: dict[str, Any]
) -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1, padding_mode=mode, bias=False)
    x = torch.randn(4, 8, *map_size)
    options = {"filter": partial(TableFilter, size=7), "match": True, "example_input": x, **options}
    report = convert(conv, **options).report
    assert report.output_change > 0.3
    assert report.decisions[0].residual == pytest.approx(report.output_change, rel=0.5)
    with pytest.raises(ValueError, match=r"tolerance=0\.0001 is not reached by 1 of 1 layers"):
        convert(conv, tolerance=1e-4, **options)


def test_every_map_that_a_layer_meets_counts_for_the_residual() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")
    net = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), conv)
    options = {"to": "dense", "where": "*", "filter": partial(TableFilter, size=7), "match": True}
    assert convert(net, example_input=torch.randn(2, 4, 7, 7), **options).report.decisions[0].residual > 0.3
    assert convert(net, **options).report.decisions[0].residual < 1e-6


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2)])
def test_taps_that_multiply_zeros_alone_are_no_error(size: tuple[int, int]) -> None:
    x = torch.randn(2, 8, *size)
    conv = nn.Conv2d(8, 8, 5, padding=2)
    report = convert(
        conv, to="dense", filter=partial(TableFilter, size=7), match=True, tolerance=1e-4, example_input=x
    ).report
    assert report.output_change < 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_an_exact_factorisation_has_a_residual_however_it_rounds(seed: int) -> None:
    torch.manual_seed(seed)
    conv = nn.Conv1d(6, 12, 3, padding=1, bias=False).double()
    _, residual = matched(conv, to="lc", expansion=9, kernel_size=7)
    assert 0 <= residual < 1e-8


@pytest.mark.parametrize(
    "net", [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout()).train(), small_net()]
)
def test_the_report_states_the_change_of_the_output(net: nn.Module) -> None:
    x = torch.randn(2, net[0].in_channels, 9, 8)
    for kind, largest in ((SpatialFilter, 1e-5), (partial(ImplicitFilter, hidden=(2,)), math.inf)):
        conversion = convert(net, to="dense", filter=kind, match=True, example_input=x)
        change = conversion.report.output_change
        old, new = net.eval()(x), conversion.model.eval()(x)
        assert change == pytest.approx(((new - old).norm() / old.norm()).item(), rel=1e-3, abs=1e-7)
        assert change < largest
        assert f"output changed by {change:.2g} of its norm" in str(conversion.report)
        assert all(f"residual {d.residual:.2g}" in str(conversion.report) for d in conversion.report.replaced)
    assert convert(net, to="dense", filter=SpatialFilter, match=True).report.output_change is None


@pytest.mark.parametrize("inplace", [True, False])
def test_a_tolerance_that_is_not_reached_names_the_layers_and_changes_nothing(inplace: bool) -> None:
    net = small_net()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    body = net.body
    with pytest.raises(
        ValueError, match=r"tolerance=0\.01 is not reached by 1 of 2 layers: body \(0\.\d+\); nothing was"
    ):
        convert(net, filter=SpatialFilter, match=True, tolerance=0.01, inplace=inplace)
    assert net.body is body
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert convert(net, to="dense", filter=SpatialFilter, match=True, tolerance=1e-6).report.replaced
    x = torch.randn(1, 3, 8, 8)
    for parameter in net.body.parameters():
        parameter.grad = None
    net(x).sum().backward()
    assert body.weight.grad is not None


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"to": "split", "filter": SpatialFilter}, r"with to='dense', or with to='lc' and expansion=6, takes the taps"),
        ({"to": "lc", "expansion": 2, "filter": SpatialFilter}, r"with to='lc' and expansion=6, takes the taps"),
        ({"to": "dense", "filter": partial(ImplicitFilter, hidden=(1,))}, r"; filter=SpatialFilter takes the taps"),
        ({"to": "dense", "filter": SpatialFilter, "kernel_size": 1}, r"filter=SpatialFilter, without a kernel_size, t"),
        (
            {"to": lambda name, conv: FrequencyConv2d(8, 6, 1, padding=0, filter=SpatialFilter)},
            r"; layers with Spatial",
        ),
    ],
)
def test_a_match_that_is_none_warns_and_says_what_would_fit(options: dict[str, Any], remedy: str) -> None:
    net = nn.Sequential(*(nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 1)) for _ in range(5)))
    said = rf"match=True leaves 5 of 5 layers with a residual above 0\.1: 0\.0 \(0\.\d+\), .* and 2 more.*{remedy}"
    with pytest.warns(UserWarning, match=said) as caught:
        convert(net, match=True, **options)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convert(net, match=True, tolerance=1.0, **options)  # asked for
        convert(net, match=True, to="dense", filter=SpatialFilter)


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
    message = rf"match=True cannot give .*{said}.* the function of Conv2d\(8, 8.*; make a layer of its channels"
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


def _with_zeros(conv: Any) -> Any:
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
