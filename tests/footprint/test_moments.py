import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nifconv.footprint import align, anisotropy, centroid, effective_size, rms_radius, spectral_radius
from nifconv.footprint.measures._moments import centroid_offset
from nifconv.frequency import offsets
from tests.footprint.kernels import SIZES, checkerboard, delta, gaussian


@pytest.mark.parametrize("size", [(41,), (40,), (41, 40), (41, 40, 39)])
def test_a_gaussian_has_the_radius_of_its_formula(size: tuple[int, ...]) -> None:
    sigmas = (2.0, 3.0, 2.5)[: len(size)]
    taps = gaussian(size, *sigmas)
    expected = math.sqrt(sum(s**2 / 2 for s in sigmas))
    assert_close(rms_radius(taps).item(), expected, rtol=1e-6, atol=0)
    # The chord is shorter than the arc by (pi n / S)^2 / 6.
    assert_close(spectral_radius(taps).item(), expected, rtol=0.02, atol=0)
    assert spectral_radius(taps).item() < expected


@given(st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple))
def test_the_spectral_radius_is_the_chord_on_the_circle(size: tuple[int, ...]) -> None:
    taps = torch.randn(2, 2, *size, dtype=torch.float64)
    length = torch.tensor(size, dtype=torch.float64)
    chord = (length / math.pi * torch.sin(math.pi * offsets(size) / length)).square().sum(-1)
    energy = taps.square()
    dims = tuple(range(2, taps.dim()))
    expected = ((energy * chord).sum(dims) / energy.sum(dims)).sqrt()
    assert_close(spectral_radius(taps), expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("size", SIZES)
def test_a_delta_has_no_radius_offset_or_direction(size: tuple[int, ...]) -> None:
    for measure in (rms_radius, centroid_offset, anisotropy):
        assert measure(delta(size)).item() == 0
    assert_close(spectral_radius(delta(size)).item(), 0.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("offset", [(3, -2), (-4, 0), (0, 3)])
def test_a_shifted_delta_is_where_it_is_and_local_once_aligned(offset: tuple[int, int]) -> None:
    taps = delta((9, 8), offset)
    assert centroid(taps)[0, 0].tolist() == list(offset)
    assert_close(centroid_offset(taps).item(), math.hypot(*offset))
    assert rms_radius(taps).item() == centroid_offset(taps).item()
    assert effective_size(taps).item() > 3
    assert torch.equal(align(taps).float(), delta((9, 8)))
    assert align(taps, periodic=False).shape[2:] == (18, 16)
    assert effective_size(align(taps, periodic=False)).item() == 1


@given(st.lists(st.integers(5, 12), min_size=1, max_size=3).map(tuple), st.lists(st.integers(-9, 9), min_size=3))
def test_a_circular_shift_is_taken_back(size: tuple[int, ...], shift: list[int]) -> None:
    taps = gaussian(size, *(0.8,) * len(size))
    shifted = taps.roll(shift[: len(size)], tuple(range(2, taps.dim())))
    assert_close(align(shifted), taps)
    assert_close(spectral_radius(align(shifted)), spectral_radius(taps))


def test_each_kernel_gets_its_own_shift() -> None:
    taps = torch.cat([delta((6, 7), (2, 3)), delta((6, 7), (-3, 0))])
    assert torch.equal(align(taps).float(), delta((6, 7)).expand(2, 1, 6, 7))


def test_two_lobes_are_centred_between_them() -> None:
    taps = delta((9, 9), (0, 0)) + delta((9, 9), (0, 2))
    assert centroid(taps)[0, 0].tolist() == [0.0, 1.0]
    assert torch.equal(align(taps).float(), delta((9, 9), (0, -1)) + delta((9, 9), (0, 1)))


def test_radius_splits_into_offset_and_spread() -> None:
    taps = torch.randn(3, 2, 7, 6, dtype=torch.float64)
    far = taps.square().sum((2, 3))
    spread = torch.stack([
        ((offsets((7, 6)) - c).square().sum(-1) * w.square()).sum() for w, c in
        zip(taps.flatten(0, 1), centroid(taps).flatten(0, 1), strict=True)
    ])  # fmt: skip
    expected = centroid_offset(taps).square() + spread.view(3, 2) / far
    assert_close(rms_radius(taps).square(), expected)


@pytest.mark.parametrize(("sigmas", "expected"), [((3.0, 3.0), 0.0), ((2.0, 4.0), 0.5), ((8.0, 2.0), 0.75)])
def test_anisotropy_is_the_ratio_of_the_axes(sigmas: tuple[float, float], expected: float) -> None:
    assert_close(anisotropy(gaussian((61, 60), *sigmas)).item(), expected, rtol=0, atol=1e-6)


def test_anisotropy_does_not_depend_on_direction_place_or_dimension() -> None:
    diagonal = torch.eye(9)[None, None]
    assert_close(anisotropy(diagonal).item(), 1.0)
    assert_close(anisotropy(diagonal.roll(1, 3)[..., 1:]).item(), 1.0)
    assert_close(anisotropy(checkerboard((9, 9))).item(), 0.0)
    assert anisotropy(torch.rand(1, 1, 9)).item() == 0
    assert_close(anisotropy(gaussian((31, 31, 31), 2.0, 2.0, 4.0)).item(), 0.5, rtol=0, atol=1e-6)


def test_a_kernel_of_zeros_has_no_moments() -> None:
    for size in ((5,), (5, 5), (3, 4, 5)):
        taps = torch.cat([torch.zeros(1, 1, *size), delta(size)])
        for measure in (rms_radius, spectral_radius, centroid_offset, anisotropy):
            values = measure(taps)
            assert values[0].isnan().all()
            assert not values[1].isnan().any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rms_radius(torch.ones(3, 3)), ValueError, r"shape \(3, 3\), but need \(out_channels, in_channels"),
        (lambda: spectral_radius(torch.ones(3, 3)), ValueError, r"shape \(3, 3\).*add axes with taps\[None, None\]"),
        (lambda: centroid(torch.ones(3)), ValueError, r"shape \(3,\)"),
        (lambda: centroid_offset(torch.ones(1, 1, 3).int()), TypeError, r"taps has dtype torch\.int32"),
        (lambda: align(torch.ones(3, 3)), ValueError, r"shape \(3, 3\)"),
        (lambda: anisotropy(torch.ones(1, 1, 3).cfloat()), TypeError, r"taps has dtype torch\.complex64"),
    ],
)
def test_errors_name_value_and_rule(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
