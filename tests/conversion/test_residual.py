"""What the report of a matched conversion says: residuals, the change of the output, tolerances and warnings."""

import math
import warnings
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import (
    FrequencyConv2d,
    ImplicitFilter,
    SpatialFilter,
    TableFilter,
    convert,
)
from tests.conversion.matching import matched
from tests.nets import small_net

pytestmark = pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel lengths", "ignore:match=True leaves"
)


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
def test_taps_that_multiply_only_zeros_do_not_count(size: tuple[int, int]) -> None:
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
        convert(net[0], match=True, tolerance=1.0, **options)  # asked for
        convert(net, match=True, to="dense", filter=SpatialFilter)
