"""Layers that the library does not know: every room asks them, and none has to learn about them."""

import json
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import (
    FrequencyConv2d,
    ImplicitFilter,
    SpatialFilter,
    bake,
    convert,
    count_parameters,
    fit,
    footprint,
    locality_penalty,
)
from nifconv.frequency import resize_taps
from nifconv.layers import SpatialLayer
from tests import oracles
from tests.nets import is_plain, small_net
from tests.tolerances import assert_near


class NearAndFarConv2d(SpatialLayer):
    """A global convolution with the sum of two filters: taps near the centre, and a small network that reaches far."""

    ndim = 2

    def __init__(self, in_channels: int, out_channels: int, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, groups=groups)
        channels = out_channels, in_channels // groups
        self.near = SpatialFilter(*channels, kernel_size=3)
        self.far = ImplicitFilter(*channels, hidden=(4,))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def kernels(self, map_size: Any) -> Tensor:
        return self.near.taps(map_size) + self.far.taps(map_size)

    def forward(self, x: Tensor) -> Tensor:
        y = oracles.circular_conv(x, self.kernels(tuple(x.shape[2:])), self.groups)
        return y + self.bias.view(-1, 1, 1)

    def match_(self, taps: Tensor, size: Any) -> float:
        taps = resize_taps(taps, size)
        fit(self.near, resize_taps(taps - self.far.taps(size).detach(), (3, 3)))
        return ((self.kernels(size).detach() - taps).norm() / taps.norm()).item()


class MixedFirstConv2d(SpatialLayer):
    """A 1x1 convolution and then depthwise frequency filters: `LCConv2d` the other way round, made of two layers."""

    ndim = 2

    def __init__(self, in_channels: int, out_channels: int, padding_mode: str = "zeros") -> None:
        super().__init__(in_channels, out_channels, 5, padding_mode=padding_mode)
        self.mix = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.depthwise = FrequencyConv2d(
            out_channels, out_channels, 5, groups=out_channels, padding_mode=padding_mode, filter=SpatialFilter
        )

    @property
    def bias_holder(self) -> nn.Module:
        return self.depthwise

    def kernels(self, map_size: Any) -> Tensor:
        return self.depthwise.kernels(map_size) * self.mix.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.depthwise(self.mix(x))


def layers() -> list[tuple[type[SpatialLayer], SpatialLayer]]:
    return [(NearAndFarConv2d, NearAndFarConv2d(4, 6, groups=2)), (MixedFirstConv2d, MixedFirstConv2d(4, 6))]


def by_name(report: Any) -> dict[str, Any]:
    return {entry.name: entry for entry in report.layers}


@pytest.mark.parametrize("kind", [NearAndFarConv2d, MixedFirstConv2d])
def test_convert_gives_them_the_state_of_the_convolution_and_reports_on_them(kind: Any) -> None:
    net = small_net().double()
    net.body.weight.requires_grad_(False)
    seen: list[str] = []
    net.body.register_forward_hook(lambda module, args, output: seen.append(type(module).__name__))
    conversion = convert(
        net, to=lambda name, conv: kind(conv.in_channels, conv.out_channels), where="body", inplace=True
    )
    new = conversion.model.body
    assert isinstance(new, kind)
    conversion.model(torch.randn(1, 3, 8, 8, dtype=torch.float64))
    assert seen == [kind.__name__]
    assert {p.dtype for p in new.parameters()} == {torch.float64}
    assert [name for name, p in new.named_parameters() if p.requires_grad] == [
        "bias" if kind is NearAndFarConv2d else "depthwise.bias"
    ]
    reason = by_name(conversion.report)["body"].reason
    expected = "as large as the map, groups=1; padding_mode" if kind is NearAndFarConv2d else "(5, 5), groups=1"
    assert reason.startswith(f"kernel_size=(3, 3) -> {expected}")


def test_convert_matches_one_that_can_and_refuses_one_that_cannot() -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1, groups=2, padding_mode="circular", dtype=torch.float64)
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)

    def near_and_far(_: str, conv: Any) -> nn.Module:
        layer = NearAndFarConv2d(conv.in_channels, conv.out_channels, conv.groups)
        layer.far.rescale_(1e-6)
        return layer

    conversion = convert(conv, to=near_and_far, match=True, example_input=x)
    assert 0 < conversion.report.replaced[0].residual < 1e-5
    assert 0 < conversion.report.output_change < 1e-5
    with pytest.raises(ValueError, match=r"match=True cannot give MixedFirstConv2d\(.* the function of Conv2d\(4, 6"):
        convert(conv, to=lambda name, conv: MixedFirstConv2d(4, 6), match=True)
    with pytest.raises(ValueError, match=r"match=True cannot give MixedFirstConv2d"):
        convert(
            nn.Conv2d(4, 6, 5, padding=2),
            to=lambda name, conv: MixedFirstConv2d(4, 6),
            match=True,
            padding_mode="zeros",
        )


def test_convolutions_that_are_tied_stay_as_they_are() -> None:
    one, two = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))
    two.weight = one.weight
    with pytest.warns(UserWarning, match="convert replaced none of 2 convolutions"):
        report = convert(nn.Sequential(one, two), to=lambda name, conv: NearAndFarConv2d(8, 8)).report
    assert [d.reason for d in report.kept] == [
        "its weight is tied to that of another module; replacing it would untie them"
    ] * 2


def test_bake_makes_plain_convolutions_of_them() -> None:
    for _, layer in layers():
        model = nn.Sequential(layer, nn.ReLU()).double()
        nn.init.normal_(layer.bias_holder.bias)
        x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
        baked = bake(model, x)
        assert is_plain(baked.model)
        assert not any(isinstance(module, SpatialLayer) for module in baked.model.modules())
        assert_near(baked.model(x), model(x))
        (entry,) = baked.report.layers
        assert entry.replaced
        assert entry.kernel_before == layer.applied_size((9, 8))
        cut = bake(model, x, tolerance=0.3)
        assert cut.report.layers[0].bound <= 0.3


def test_a_survey_measures_their_kernels_beside_re_initialised_ones() -> None:
    near, mixed = NearAndFarConv2d(4, 6), MixedFirstConv2d(6, 6)
    survey = footprint.survey(nn.Sequential(near, mixed), torch.randn(1, 4, 9, 8), null=2)
    found = {layer.name: layer for layer in survey.layers}
    assert list(found) == ["0", "1", "1.depthwise"]
    assert_close(found["0"].taps, near.kernels((9, 8)).detach())
    assert_close(found["1"].taps, mixed.kernels((9, 8)).detach())
    assert [found[name].kind for name in found] == ["NearAndFarConv2d", "MixedFirstConv2d", "FrequencyConv2d"]
    assert (found["0"].periodic, found["1"].periodic) == (True, False)
    assert all(layer.null is not None and layer.null.draws == 2 for layer in survey.layers)
    json.dumps(survey.to_dict())


def test_their_weights_are_counted_and_penalised_once() -> None:
    near, mixed = NearAndFarConv2d(4, 6), MixedFirstConv2d(4, 6)
    counts = count_parameters(near)
    assert (counts.spatial, counts.pointwise, counts.other) == (sum(p.numel() for p in near.parameters()) - 6, 0, 6)
    assert count_parameters(mixed).to_dict() == {
        "learnable": 150 + 24 + 6,
        "frozen": 0,
        "spatial": 150,
        "pointwise": 24,
        "other": 6,
    }
    assert_close(locality_penalty(near, "uniform", size=9), near.kernels((9, 9)).square().sum())
    assert_close(locality_penalty(mixed), locality_penalty(mixed.depthwise))
    with pytest.raises(ValueError, match="size=None gives no map size for 'NearAndFarConv2d'"):
        locality_penalty(near)


def test_a_converted_model_comes_back() -> None:
    net = small_net().double().eval()
    x = torch.randn(1, 3, 8, 9, dtype=torch.float64)
    to = partial(lambda name, conv: NearAndFarConv2d(conv.in_channels, conv.out_channels, conv.groups))
    converted = convert(net, to=to).model
    baked = bake(converted, x)
    assert len(baked.report.replaced) == 2
    assert_near(baked.model(x), converted(x))
