"""The layers that `convert` builds: structure, gain, padding, and what they inherit from the convolution."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nifconv import (
    Envelope,
    FilterBank,
    FourierFeatures,
    FrequencyConv2d,
    ImplicitFilter,
    SpatialFilter,
    TableFilter,
    convert,
    frozen,
)
from nifconv.layers._conv import layer_class
from nifconv.layers._convnd import conv_gain
from tests.nets import CONVS, small_net


def measured_gain(module: nn.Module, channels: int, size: int = 24) -> float:
    x = torch.randn(32, channels, size, size)
    with torch.no_grad():
        return (module(x).std() / x.std()).item()


@pytest.mark.parametrize("to", ["split", "dense"])
@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("bias", [True, False])
def test_structure(to: str, groups: int, bias: bool) -> None:
    conv = nn.Conv2d(8, 16, 3, padding=1, groups=groups, bias=bias)
    new = convert(conv, to=to).model
    if to == "dense" or groups == 8:
        assert isinstance(new, FrequencyConv2d)
        assert (new.in_channels, new.out_channels, new.groups) == (8, 16, groups)
        last: Any = new
    else:
        spatial, last = new.spatial, new.pointwise
        assert (spatial.in_channels, spatial.out_channels, spatial.groups) == (8, 8, 8)
        assert spatial.bias is None
        assert (last.in_channels, last.out_channels, last.groups, last.kernel_size) == (8, 16, groups, (1, 1))
    if bias:
        assert torch.equal(last.bias, conv.bias)
    else:
        assert last.bias is None


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("to", ["split", "dense"])
def test_every_dimension_keeps_the_output_shape(ndim: int, to: str) -> None:
    net = nn.Sequential(CONVS[ndim](6, 4, 3, padding=1), CONVS[ndim](4, 6, 3, padding=2, dilation=2, groups=2))
    x = torch.randn(2, 6, *(9, 8, 7)[:ndim])
    for kernel_size in (None, 5):
        new = convert(net, to=to, kernel_size=kernel_size)
        assert len(new.report.replaced) == 2
        assert new.model(x).shape == net(x).shape


@pytest.mark.parametrize("to", ["split", "dense"])
@pytest.mark.parametrize("groups", [1, 4, 32])
@pytest.mark.parametrize("filter", [ImplicitFilter, partial(ImplicitFilter, hidden=(8, 4)), SpatialFilter])
def test_the_new_layer_has_the_gain_of_the_old(to: str, groups: int, filter: Any) -> None:
    conv = nn.Conv2d(32, 64, 5, padding=2, groups=groups, bias=False)
    nn.init.normal_(conv.weight, std=0.3)
    new = convert(conv, to=to, filter=filter).model
    assert_close(measured_gain(new, 32), conv_gain(conv), rtol=0.12, atol=0)
    assert_close(measured_gain(conv, 32), conv_gain(conv), rtol=0.12, atol=0)


def test_kernels_that_are_flat_along_one_axis_are_spatial() -> None:
    conv = nn.Conv2d(8, 8, (1, 7), padding=(0, 3), stride=(2, 1))
    new = convert(conv, where="*").model
    x = torch.randn(1, 8, 12, 14)
    assert new(x).shape == conv(x).shape


def test_the_padding_mode_is_that_asked_for_and_a_change_is_reported() -> None:
    net = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1))
    wrapped, padded = convert(net), convert(net, padding_mode="zeros")
    assert padded.model[0].spatial.padding_mode == "zeros"
    assert "padding_mode zeros -> circular" in wrapped.report.decisions[0].reason
    assert "padding_mode" not in padded.report.decisions[0].reason


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("to", ["split", "dense", "lc"])
def test_only_kernels_as_large_as_the_map_become_circular(mode: str, to: str) -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1, padding_mode=mode)
    table = partial(TableFilter, size=9)
    for options, expected in (
        ({"kernel_size": 5}, mode),
        ({"filter": SpatialFilter}, mode),
        ({"filter": frozen(SpatialFilter, seed=1)}, mode),
        ({"filter": partial(SpatialFilter, kernel_size=3)}, "circular"),
        ({}, "circular"),
        ({"filter": table}, "circular"),
        ({"filter": table, "match": True, "tolerance": 1.0}, mode),
        ({"kernel_size": 5, "padding_mode": "circular"}, "circular"),
        ({"padding_mode": "reflect"}, "reflect"),
    ):
        new = convert(conv, to=to, **options).model
        assert new.padding_mode == expected, options


def test_a_tied_bias_stays_tied() -> None:
    one, two = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
    two.bias = one.bias
    model = convert(nn.Sequential(one, two)).model
    assert model[0].pointwise.bias is model[1].pointwise.bias


def test_a_filter_that_froze_itself_stays_frozen() -> None:
    class Fixed(ImplicitFilter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.requires_grad_(False)

    new = convert(nn.Conv2d(8, 8, 3, padding=1), filter=Fixed).model
    assert not any(p.requires_grad for p in new.spatial.filter.parameters())
    assert new.pointwise.weight.requires_grad


@pytest.mark.parametrize("to", ["split", "dense"])
def test_a_layer_of_zeros_gives_a_layer_of_zeros_and_says_so(to: str) -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
    nn.init.zeros_(conv.weight)
    conversion = convert(conv, to=to)
    assert conversion.model(torch.randn(1, 8, 6, 6)).abs().max() == 0
    assert "all weights were zero" in conversion.report.decisions[0].reason


@pytest.mark.parametrize(
    "filter", [Envelope(ImplicitFilter, width=2.0), frozen(Envelope(ImplicitFilter, width=2.0), seed=0)]
)
def test_a_layer_of_zeros_with_an_envelope(filter: Any) -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
    nn.init.zeros_(conv.weight)
    new = convert(conv, to="dense", filter=filter).model
    new.reset_parameters()
    assert new(torch.randn(1, 8, 6, 6)).abs().max() == 0


def test_a_layer_that_does_not_learn_leaves_the_bank_of_the_others_alone() -> None:
    net = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(2)))
    net[1].requires_grad_(False)
    model = convert(net, filter=FilterBank(ImplicitFilter, 8)).model
    assert all(p.requires_grad for p in model[0].parameters())
    assert not model[1].pointwise.weight.requires_grad


def test_meta_models_convert_to_the_gain_of_newly_initialised_layers() -> None:
    new = convert(nn.Conv2d(8, 8, 3, padding=1, device="meta"), to="dense").model
    assert new.filter.initial_gain == pytest.approx(3**-0.5)
    assert new(torch.randn(1, 8, 6, 6, device="meta")).shape == (1, 8, 6, 6)


@pytest.mark.parametrize("expansion", [1, 4])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_lc_blocks_with_their_expansion_groups_and_gain(expansion: int, groups: int) -> None:
    conv = nn.Conv2d(8, 16, 3, padding=1, groups=groups)
    new = convert(conv, to="lc", expansion=expansion).model
    assert (new.spatial.out_channels, new.spatial.groups) == (8 * expansion, 8)
    assert (new.pointwise.in_channels, new.pointwise.out_channels) == (8 * expansion, 16)
    assert new.pointwise.groups == groups
    assert torch.equal(new.pointwise.bias, conv.bias)
    gains = []
    for seed in range(12):
        torch.manual_seed(seed)
        block = convert(conv, to="lc", expansion=expansion).model
        nn.init.zeros_(block.pointwise.bias)
        gains.append(measured_gain(block, 8) ** 2)
    assert_close((sum(gains) / len(gains)) ** 0.5, conv_gain(conv), rtol=0.12, atol=0)


def test_state_of_the_old_layer_is_kept() -> None:
    net = small_net().double()
    net.body.eval()
    net.body.weight.requires_grad_(False)
    net.body.bias.requires_grad_(True)
    model = convert(net).model
    assert not any(m.training for m in model.body.modules())
    assert model.depthwise.training
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert {name for name, p in model.body.named_parameters() if p.requires_grad} == {"pointwise.bias"}
    assert convert(nn.Conv2d(8, 8, 3, padding=1, device="meta")).model.spatial.filter.real.weight.is_meta


@pytest.mark.parametrize("stride", [2, 3])
def test_strided_convolutions_when_asked(stride: int) -> None:
    conv = nn.Conv2d(4, 8, 3, stride=stride, padding=1)
    for options in ({}, {"kernel_size": 5, "padding_mode": "zeros"}):
        new = convert(conv, where="*", **options).model
        for size in (12, 13):
            x = torch.randn(1, 4, size, size)
            assert new(x).shape == conv(x).shape


def test_taps_without_a_size_take_that_of_the_convolution_and_its_geometry() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4)
    new = convert(conv, filter=SpatialFilter, padding_mode="zeros").model
    assert new.filter.weight.shape == conv.weight.shape
    new.filter.load_state_dict({"weight": conv.weight})
    x = torch.randn(2, 4, 9, 8)
    assert_close(new(x), conv(x))


def test_same_and_valid_padding_are_kept_where_the_kernel_size_allows() -> None:
    x = torch.randn(1, 8, 10, 10)
    for padding, kernel_size in (("same", None), ("same", 4), ("valid", 3), ("valid", 5)):
        conv = nn.Conv2d(8, 8, 3, padding=padding)
        conversion = convert(conv, kernel_size=kernel_size)
        assert conversion.report.replaced
        assert conversion.model(x).shape == conv(x).shape


def test_filter_options_reach_the_layers() -> None:
    new = convert(nn.Conv2d(8, 8, 3, padding=1), filter=partial(ImplicitFilter, encoding=FourierFeatures(9)))
    assert new.model.spatial.filter.encoding == FourierFeatures(9)


def test_layer_class_covers_all_dimensions() -> None:
    assert [layer_class(n).ndim for n in (1, 2, 3)] == [1, 2, 3]
