from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, ImplicitFilter, SpatialFilter
from nifconv.conv import FrequencyConv, layer_class
from tests.contract import LayerContract
from tests.tolerances import assert_near


class Implicit(LayerContract):
    def make(self, *args: Any, **kwargs: Any) -> FrequencyConv:
        return self.layer_type(*args, **kwargs)


class Spatial(LayerContract):
    def make(self, *args: Any, **kwargs: Any) -> FrequencyConv:
        return self.layer_type(*args, filter=partial(SpatialFilter, kernel_size=4), **kwargs)


class TestImplicit1d(Implicit):
    layer_type = FrequencyConv1d


class TestImplicit2d(Implicit):
    layer_type = FrequencyConv2d


class TestImplicit3d(Implicit):
    layer_type = FrequencyConv3d


class TestSpatial1d(Spatial):
    layer_type = FrequencyConv1d


class TestSpatial2d(Spatial):
    layer_type = FrequencyConv2d


class TestSpatial3d(Spatial):
    layer_type = FrequencyConv3d


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize("padding", ["same", "valid", 2])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_with_the_weights_of_conv_nd_it_is_conv_nd(ndim: int, mode: str, padding: Any) -> None:
    plain_type = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[ndim]
    for kernel_size, dilation, groups in [(3, 1, 1), (4, 1, 2), (3, 2, 4)]:
        arguments = (4, 8, kernel_size, 1, padding, dilation, groups, True, mode)
        plain = plain_type(*arguments, dtype=torch.float64)
        ours = layer_class(ndim)(*arguments, filter=SpatialFilter, dtype=torch.float64)
        ours.load_state_dict({"filter.weight": plain.weight, "bias": plain.bias})
        x = torch.randn(2, 4, *(9, 8, 7)[:ndim], dtype=torch.float64)
        assert_near(ours(x), plain(x))


def test_carries_the_attributes_of_conv_nd() -> None:
    layer = FrequencyConv2d(4, 8, 3, 2, 1, 2, 4, padding_mode="zeros")
    plain = nn.Conv2d(4, 8, 3, 2, 1, 2, 4)
    for name in (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    ):
        assert getattr(layer, name) == getattr(plain, name), name
    assert FrequencyConv2d(4, 8, bias=False).bias is None


def test_a_filter_that_asks_for_a_kernel_size_gets_the_layers() -> None:
    assert FrequencyConv2d(2, 2, (3, 5), filter=SpatialFilter).filter.taps((3, 5)).shape == (2, 2, 3, 5)
    bound = FrequencyConv2d(2, 2, 5, filter=partial(SpatialFilter, kernel_size=3)).filter
    assert isinstance(bound, SpatialFilter)
    assert bound.kernel_size == (3, 3)


def test_device_and_dtype_are_those_asked_for() -> None:
    layer = FrequencyConv2d(2, 2, device="meta", dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.float64)}


@pytest.mark.parametrize(
    ("filter", "error", "message"),
    [
        (SpatialFilter, ValueError, "needs a kernel size, but kernel_size=None; give the layer a kernel_size"),
        ("implicit", TypeError, "filter='implicit' must be a filter class or a functools.partial"),
        (ImplicitFilter(2, 2), TypeError, r"give ImplicitFilter, not ImplicitFilter\(\.\.\.\)"),
        (lambda o, i, n: nn.Conv2d(i, o, 3), TypeError, "made a Conv2d; it must make a FrequencyFilter"),
        (lambda o, i, n: ImplicitFilter(o, 1, n), ValueError, r"=\(2, 1, 2\), but the layer needs \(2, 2, 2\)"),
    ],
)
def test_refuses_what_makes_no_fitting_filter(filter: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FrequencyConv2d(2, 2, filter=filter)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 11, "padding_mode": "reflect"}, r"exceeds \(4, 4\).*'reflect'.*kernel_size=None"),
        ({"kernel_size": 13, "padding_mode": "circular"}, r"exceeds \(5, 5\).*'circular'"),
        (
            {"kernel_size": 7, "padding": "valid"},
            r"kernel_size=\(7, 7\).*spans \(7, 7\) pixels, but the map of \(5, 5\)",
        ),
    ],
)
def test_refuses_kernels_that_the_padding_cannot_serve(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FrequencyConv2d(1, 1, **options)(torch.zeros(1, 1, 5, 5))
