import math
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from nifconv.footprint import even_share, position_variance, principal_kernels
from nifconv.footprint.measures._ensemble import effective_rank, first_explained, variance_spread
from tests.footprint.kernels import SIZES, box, checkerboard, delta


@pytest.mark.parametrize("size", [(9,), (8, 7), (3, 4, 5)])
@pytest.mark.parametrize("kernels", [6, 200])
def test_combinations_of_two_shapes_have_two_principal_kernels(size: tuple[int, ...], kernels: int) -> None:
    one, other = delta(size)[0, 0] / 2, torch.arange(1.0, math.prod(size) + 1).view(size)
    other = other * (one == 0)
    other = other / other.norm()
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, kernels, generator=generator)
    second = second - first * (first @ second) / (first @ first)  # uncorrelated, so that the shapes stay apart
    first, second = 3 * first / first.norm(), second / second.norm()
    taps = first.view(-1, 1, *(1,) * len(size)) * one + second.view(-1, 1, *(1,) * len(size)) * other
    found = principal_kernels(taps, 2)
    assert_close(found.explained, torch.tensor([0.9, 0.1]).double(), rtol=1e-5, atol=1e-6)
    assert_close(found.kernels.float(), torch.stack([-one, other]))
    assert_close(first_explained(taps).item(), 0.9, rtol=1e-5, atol=0)
    assert_close(effective_rank(taps).item(), math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)), rtol=1e-4, atol=0)


def test_principal_kernels_are_orthonormal_and_give_the_layer_back() -> None:
    taps = torch.randn(4, 3, 5, 4, dtype=torch.float64)
    shapes, explained = principal_kernels(taps)
    flat = shapes.flatten(1)
    assert_close(flat @ flat.T, torch.eye(12, dtype=torch.float64))
    rows = taps.flatten(0, 1).flatten(1)
    assert_close(rows @ flat.T @ flat, rows)
    assert_close(explained.sum().item(), 1.0)
    assert (explained.diff() <= 0).all()
    assert len(principal_kernels(taps, 99).kernels) == 12


def test_equal_kernels_are_one_shape_and_do_not_vary() -> None:
    taps = torch.rand(1, 1, 5, 5).expand(6, 2, 5, 5)
    assert_close(first_explained(taps).item(), 1.0)
    assert_close(effective_rank(taps).item(), 1.0, rtol=0, atol=1e-6)
    assert position_variance(torch.ones(6, 2, 5, 5)).isnan().all()


def test_variance_is_flat_where_taps_are_drawn_alike_and_peaked_where_one_varies() -> None:
    flat = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1) * checkerboard((7, 6))
    assert_close(position_variance(flat), torch.ones(7, 6, dtype=torch.float64))
    assert_close(variance_spread(flat).item(), 1.0)
    peaked = torch.cat([delta((7, 6)), -delta((7, 6))])
    assert position_variance(peaked)[3, 3].item() == 42
    assert_close(variance_spread(peaked).item(), 1 / 42)
    boxes = torch.cat([box((9, 9), 3), -box((9, 9), 3)])
    assert_close(variance_spread(boxes).item(), 9 / 81)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_even_and_odd_kernels_are_told_apart(size: tuple[int, ...], periodic: bool) -> None:
    assert even_share(delta(size), periodic=periodic).item() == 1
    if max(size) < 3:
        return
    step = tuple(int(n == max(size)) for n in size)
    back = tuple(-s for s in step)
    taps = torch.cat([delta(size, step) + delta(size, back), delta(size, step) - delta(size, back), delta(size, step)])
    assert_close(even_share(taps, periodic=periodic).flatten().tolist(), [1.0, 0.0, 0.5])


def test_the_first_tap_of_an_even_axis_is_its_own_mirror_image_only_if_it_wraps_around() -> None:
    taps = delta((8,), (-4,))
    assert even_share(taps).item() == 1
    assert even_share(taps, periodic=False).item() == 0.5


def test_the_even_share_is_that_of_the_real_part_of_the_spectrum() -> None:
    taps = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    spectrum = torch.fft.fft2(torch.fft.ifftshift(taps, dim=(2, 3)))
    expected = spectrum.real.square().sum((2, 3)) / spectrum.abs().square().sum((2, 3))
    assert_close(even_share(taps), expected)


def test_a_layer_of_zeros_has_no_shapes() -> None:
    zeros = torch.zeros(3, 2, 5, 5)
    for measure in (first_explained, effective_rank, variance_spread, even_share):
        assert measure(zeros).isnan().all()
    assert principal_kernels(zeros).explained.isnan().all()


@pytest.mark.parametrize("weight", [math.nan, math.inf])
@pytest.mark.parametrize("kernels", [2, 200])
def test_a_weight_that_is_not_finite_leaves_a_layer_without_shapes(weight: float, kernels: int) -> None:
    taps = torch.rand(kernels, 1, 5, 5)
    taps[1, 0, 2, 3] = weight
    for measure in (first_explained, effective_rank, variance_spread):
        assert measure(taps).isnan().all()
    found = principal_kernels(taps, 2)
    assert found.kernels.shape == (2, 5, 5)
    assert found.kernels.isnan().all()
    assert found.explained.isnan().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: principal_kernels(torch.ones(3, 3)), ValueError, r"shape \(3, 3\), but need \(out_channels"),
        (lambda: principal_kernels(torch.ones(1, 1, 3), 0), ValueError, "count=0 must be at least 1"),
        (lambda: principal_kernels(torch.ones(1, 1, 3), 1.5), TypeError, r"count=1\.5 must be an integer"),
        (lambda: effective_rank(torch.ones(3)), ValueError, r"shape \(3,\)"),
        (lambda: first_explained(torch.ones(1, 1, 2).int()), TypeError, r"torch\.int32"),
        (lambda: position_variance(torch.ones(3, 3)), ValueError, r"shape \(3, 3\)"),
        (lambda: variance_spread(torch.ones(3, 3)), ValueError, r"shape \(3, 3\)"),
        (lambda: even_share(torch.ones(3, 3)), ValueError, r"shape \(3, 3\)"),
    ],
)
def test_errors_name_value_and_rule(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
