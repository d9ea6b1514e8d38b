"""Numbers at the edge of what a dtype holds: the same for every method, as far as arithmetic allows.

What `experiments/guide/limits.md` says under "Numbers at the edge" is tested here. A direct sum lets what is not
finite reach the taps' surroundings alone; a product of spectra lets it reach the whole map of its sample, in all the
outputs of its group. No method lets it reach another sample or another group.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from nifconv import FrequencyConv2d, SpatialFilter
from nifconv.functional import fft_conv
from nifconv.spectral import METHODS
from tests.tolerances import assert_near

FAST = [method for method in METHODS if method != "direct"]


def layer(method: str, **options: Any) -> FrequencyConv2d:
    torch.manual_seed(0)
    return FrequencyConv2d(4, 4, **{"kernel_size": 3, "groups": 2, "padding_mode": "zeros", **options}, method=method)


def exactly(module: FrequencyConv2d, x: Tensor) -> Tensor:
    """In float64 and as a direct sum."""
    wide = copy.deepcopy(module).double()
    wide.method = "direct"
    return wide(x.double())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", [{}, {"kernel_size": None}, {"kernel_size": None, "padding_mode": "circular"}])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_stays_in_its_sample_and_group(method: str, options: dict[str, Any], bad: float) -> None:
    module, x = layer(method, **options), torch.randn(3, 4, 8, 7)
    expected = module(x)
    x[1, 0, 2, 2] = bad  # in the first group
    y = module(x)
    assert_near(y[[0, 2]], expected[[0, 2]])
    assert_near(y[1, 2:], expected[1, 2:])
    assert not y[1, :2, 1:4, 1:4].isfinite().any()


@pytest.mark.parametrize("method", FAST)
def test_gradients_of_other_samples_do_not_see_it_either(method: str) -> None:
    module, x = layer(method), torch.randn(3, 4, 8, 7)
    x[1] = float("nan")
    x.requires_grad_()
    (dx,) = torch.autograd.grad(module(x)[[0, 2]].sum(), x)
    assert dx[[0, 2]].isfinite().all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("padding_mode", ["circular", "zeros"])
def test_an_offset_of_a_million_costs_its_own_rounding_and_no_more(method: str, padding_mode: str) -> None:
    module = layer(method, padding_mode=padding_mode)
    x = torch.randn(2, 4, 16, 16) + 1e6
    assert_near(module(x), exactly(module, x))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 1.0, -3e4])
def test_constant_maps_stay_constant_on_the_torus(method: str, value: float) -> None:
    module, x = layer(method, padding_mode="circular", kernel_size=None), torch.full((2, 4, 9, 8), value)
    y = module(x)
    assert_near(y, exactly(module, x))
    assert_near(y, y[..., :1, :1].expand_as(y))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-20, 1e20, 1e-30, 1e30])
def test_weights_of_any_size_scale_the_output(method: str, scale: float) -> None:
    x, taps = torch.randn(2, 4, 12, 10), torch.randn(4, 2, 3, 3)
    given = {"padding": ((1, 1), (1, 1)), "groups": 2, "method": method}
    assert_near(fft_conv(x, taps * scale, **given).double() / scale, fft_conv(x, taps, **given).double(), dtype=x.dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_so_do_the_weights_of_a_layer_and_their_gradients(method: str, scale: float) -> None:
    module, x = layer(method, filter=SpatialFilter), torch.randn(2, 4, 12, 10)
    (usual,) = torch.autograd.grad(module(x).sum(), module.filter.weight)
    with torch.no_grad():
        module.filter.weight.mul_(scale)
    (other,) = torch.autograd.grad(module(x).sum(), module.filter.weight)
    assert_near(other, usual)
    assert_near(module(x), exactly(module, x))


@pytest.mark.parametrize("method", METHODS)
def test_denormals_are_numbers_or_zero(method: str) -> None:
    """Which of the two depends on the processor's mode (`torch.set_flush_denormal`), and makes no more difference."""
    module, x = layer(method), torch.full((2, 4, 8, 8), 1e-40)
    y = module(x)
    assert y.isfinite().all()
    assert y.abs().max() <= 1e-38
    x[0] = 1.0  # nor does one sample drag another down
    assert_near(module(x)[0], exactly(module, x)[0])
