from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nifconv import (
    Envelope,
    FilterBank,
    FourierFeatures,
    FrequencyConv1d,
    FrequencyConv2d,
    FrequencyConv3d,
    ImplicitFilter,
    LCConv2d,
    SpatialFilter,
    TableFilter,
    frozen,
)
from nifconv.layers._conv import FrequencyConv, layer_class
from nifconv.layers._linear_combination import LCConv
from tests.layer_contract import LayerContract
from tests.tolerances import assert_near

FILTERS: dict[str, Any] = {
    "Implicit": ImplicitFilter,
    "Fourier": partial(ImplicitFilter, encoding=FourierFeatures(4, features=4)),
    "Spatial": partial(SpatialFilter, kernel_size=4),
    "Table": partial(TableFilter, size=5),
    "Envelope": Envelope(ImplicitFilter, width=1.5),
    "Frozen": frozen(ImplicitFilter, seed=0),
}


class Case(LayerContract):
    """The contract for one layer class with one filter."""

    filter: Any

    def make(self, *args: Any, **kwargs: Any) -> FrequencyConv:
        return self.layer_type(*args, filter=self.filter, **kwargs)


class BankCase(Case):
    """Layers of one bank hold the same kernels, so that only the size of the bank can be wrong in a checkpoint."""

    def make(self, *args: Any, **kwargs: Any) -> FrequencyConv:
        bank = FilterBank(ImplicitFilter, 32, self.ndim)
        return self.layer_type(*args, filter=bank, **kwargs)

    def test_a_checkpoint_of_another_layer_is_refused_and_named(self) -> None:
        other = self.layer_type(4, 6, filter=FilterBank(ImplicitFilter, 40, self.ndim))
        with pytest.raises(RuntimeError, match=r"checkpoint's filter\..*6, 4, ndim=.*build the layer with them"):
            self.make(4, 6).load_state_dict(other.state_dict())


# Every filter with every layer: the classes that pytest collects.
for _layer in (FrequencyConv1d, FrequencyConv2d, FrequencyConv3d):
    _names = {"layer_type": _layer}
    for _name, _filter in FILTERS.items():
        _title = f"Test{_name}{_layer.ndim}d"
        globals()[_title] = type(_title, (Case,), {**_names, "filter": staticmethod(_filter)})
    globals()[f"TestBank{_layer.ndim}d"] = type(f"TestBank{_layer.ndim}d", (BankCase,), _names)


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


@pytest.mark.parametrize("layer", [FrequencyConv2d, LCConv2d])
@pytest.mark.parametrize("kind", ["learned", "frozen", "bank"])
def test_a_device_that_is_given_counts_more_than_the_default_device(layer: Any, kind: str) -> None:
    factories = {
        "learned": ImplicitFilter,
        "frozen": frozen(ImplicitFilter, seed=1),
        "bank": FilterBank(ImplicitFilter, 9),
    }
    x = torch.randn(1, 3, 6, 6)
    with torch.device("meta"):
        subject = layer(3, 3, device="cpu", filter=factories[kind])
        y = subject(x)
    assert {t.device.type for t in subject.state_dict().values()} == {"cpu"}
    assert torch.equal(subject(x), y)


@pytest.mark.parametrize(
    ("filter", "error", "message"),
    [
        (SpatialFilter, ValueError, "needs a kernel size, but kernel_size=None; give the layer a kernel_size"),
        ("implicit", TypeError, "filter='implicit' must be a filter class or a functools.partial"),
        (dict, TypeError, "made a dict|expected at most"),
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
        ({"kernel_size": 11, "padding_mode": "reflect"}, r"exceeds \(4, 4\).*'reflect'.*use less padding"),
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


@pytest.mark.parametrize("number", [np.int64, np.int32, lambda n: torch.tensor(n)])
def test_integers_of_numpy_and_torch_are_integers(number: Any) -> None:
    layer = FrequencyConv2d(number(4), number(4), np.array([3, 3]), number(2), number(1), groups=number(2))
    assert layer(torch.randn(1, 4, 8, 8)).shape == (1, 4, 4, 4)
    assert type(layer.in_channels) is int
    assert ImplicitFilter(2, 1, hidden=np.array([8, 4]), gain=np.float32(0.5)).hidden == (8, 4)


def test_shapes_can_be_inferred_on_the_meta_device() -> None:
    layer = FrequencyConv2d(4, 6, stride=2, device="meta")
    assert layer(torch.randn(2, 4, 9, 8, device="meta")).shape == (2, 6, 5, 4)


def test_exports() -> None:
    layer = FrequencyConv2d(2, 2, groups=2)
    x = torch.randn(2, 2, 8, 8)
    program = torch.export.export(layer, (x,))
    assert_near(program.module()(x), layer(x))


def test_starts_without_bias_and_resets_to_that() -> None:
    layer = FrequencyConv2d(2, 2)
    assert layer.bias.eq(0).all()
    before = layer.filter.taps(5)
    nn.init.ones_(layer.bias)
    layer.reset_parameters()
    assert layer.bias.eq(0).all()
    assert not torch.equal(layer.filter.taps(5), before)
    FrequencyConv2d(2, 2, bias=False).reset_parameters()


def test_the_shared_class_is_abstract() -> None:
    for shared in (FrequencyConv, LCConv):
        with pytest.raises(TypeError, match="abstract"):
            shared(2, 2)


@pytest.mark.parametrize("layer", [FrequencyConv2d, LCConv2d])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.int32])
def test_refuses_dtypes_that_are_not_real_and_floating(layer: Any, dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=f"dtype={dtype} must be real and floating"):
        layer(2, 2, dtype=dtype)
