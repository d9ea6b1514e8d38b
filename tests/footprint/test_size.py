import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nifconv.footprint import effective_size, energy_ratio, mass_ratio, radial_profile, rms_radius, windows
from tests.footprint.kernels import SIZES, box, checkerboard, delta


@pytest.mark.parametrize("size", SIZES)
def test_a_delta_scores_one_from_the_first_window_on(size: tuple[int, ...]) -> None:
    taps = delta(size)
    expected = torch.ones(1, 1, len(windows(size)), dtype=torch.float64)
    assert torch.equal(mass_ratio(taps), expected)
    assert torch.equal(energy_ratio(taps), expected)
    assert effective_size(taps).item() == 1
    assert rms_radius(taps).item() == 0


def test_windows_are_odd_and_the_last_holds_the_whole_map() -> None:
    assert windows((7,)) == (1, 3, 5, 7)
    assert windows((8,)) == (1, 3, 5, 7, 9)
    assert windows((4, 6)) == (1, 3, 5, 7)
    assert windows((1, 1)) == (1,)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_box_fills_windows_as_volumes_do(ndim: int) -> None:
    taps = box((10, 9, 11)[:ndim], 5)
    expected = torch.tensor([min(k / 5, 1) ** ndim for k in windows(taps.shape[2:])], dtype=torch.float64)
    assert_close(mass_ratio(taps)[0, 0], expected)
    assert_close(energy_ratio(taps)[0, 0], expected)
    assert [effective_size(taps, share).item() for share in (0.001, 0.2**ndim, 0.6**ndim, 0.61**ndim, 1.0)] == [
        1,
        1,
        3,
        5,
        5,
    ]


def test_a_gaussian_has_the_radius_and_mass_of_its_formula() -> None:
    sigma = 4.0
    n = torch.arange(-40, 41).double()
    line = torch.exp(-n.square() / (2 * sigma**2))
    taps = torch.outer(line, line)[None, None]
    assert_close(rms_radius(taps).item(), sigma, rtol=1e-6, atol=0)  # energy has variance sigma^2 / 2 on each of 2 axes
    within = [math.erf((k / 2) / (sigma * math.sqrt(2))) ** 2 for k in windows((81, 81))]
    assert_close(mass_ratio(taps)[0, 0], torch.tensor(within, dtype=torch.float64), rtol=0, atol=2e-3)


@pytest.mark.parametrize("offset", [(3, 0), (-4, 0), (0, -2), (-4, 3)])
def test_two_lobes_have_the_size_of_their_distance(offset: tuple[int, int]) -> None:
    taps = delta((9, 8)) + delta((9, 8), offset)
    reach = max(abs(o) for o in offset)
    assert effective_size(taps).item() == 2 * reach + 1
    assert effective_size(taps, 0.5).item() == 1
    assert_close(rms_radius(taps).item(), math.sqrt((offset[0] ** 2 + offset[1] ** 2) / 2))


def test_mass_and_energy_weigh_a_tail_differently() -> None:
    taps = delta((7,))
    taps[0, 0, 0] = 1.0
    assert_close(mass_ratio(taps)[0, 0, 0].item(), 2 / 3)
    assert_close(energy_ratio(taps)[0, 0, 0].item(), 4 / 5)
    assert effective_size(taps, 0.75).item() == 7
    assert effective_size(taps, 0.75, ratio=energy_ratio).item() == 1


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple))
def test_ratios_rise_to_one_and_do_not_depend_on_sign_or_scale(size: tuple[int, ...]) -> None:
    taps = torch.randn(2, 3, *size)
    for ratio in (mass_ratio, energy_ratio):
        shares = ratio(taps)
        assert shares.shape == (2, 3, len(windows(size)))
        assert (shares.diff(dim=-1) >= 0).all()
        assert torch.equal(shares[..., -1], torch.ones(2, 3, dtype=torch.float64))
        assert_close(ratio(-3 * taps), shares)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=2).map(tuple))
def test_ratios_are_the_sums_over_index_windows(size: tuple[int, ...]) -> None:
    taps = torch.randn(1, 1, *size)
    shares = mass_ratio(taps)
    for share, k in zip(shares[0, 0], windows(size), strict=True):
        inside = tuple(slice(max(n // 2 - k // 2, 0), n // 2 + k // 2 + 1) for n in size)
        assert_close(share, taps[(0, 0, *inside)].abs().sum().double() / taps.abs().sum().double(), rtol=1e-5, atol=0)


def test_a_kernel_of_zeros_has_no_size() -> None:
    taps = torch.cat([torch.zeros(1, 1, 5, 5), delta((5, 5))])
    for measure in (mass_ratio, energy_ratio, effective_size, rms_radius):
        values = measure(taps)
        assert values[0].isnan().all()
        assert not values[1].isnan().any()


@pytest.mark.parametrize("size", SIZES)
def test_measures_do_not_see_signs(size: tuple[int, ...]) -> None:
    taps = torch.rand(2, 1, *size)
    for measure in (mass_ratio, energy_ratio, radial_profile, rms_radius):
        assert_close(measure(taps * checkerboard(size)), measure(taps))


def test_a_flat_kernel_has_a_flat_profile_and_a_ring_a_peak() -> None:
    assert_close(radial_profile(checkerboard((9, 8)))[0, 0], torch.ones(7, dtype=torch.float64))
    ring = delta((9, 9), (0, 3)) + delta((9, 9), (-3, 0)) + delta((9, 9), (0, -3)) + delta((9, 9), (3, 0))
    # Radius 3 rounds 16 pixels: (0, 3), (1, 3), (2, 2) and their mirror images; four of them hold all of the 81.
    expected = torch.zeros(7, dtype=torch.float64)
    expected[3] = (1 / 16) * 81
    assert_close(radial_profile(ring)[0, 0], expected)
    assert radial_profile(torch.zeros(1, 1, 3)).isnan().all()


@pytest.mark.parametrize("size", [(40000,), (61, 60, 59)])
def test_large_kernels_take_the_path_without_a_selection_matrix(size: tuple[int, ...]) -> None:
    flat = torch.ones(1, 1, *size)
    shares = mass_ratio(flat)[0, 0]
    expected = [math.prod(min(k // 2, n // 2) + min(k // 2, (n - 1) // 2) + 1 for n in size) for k in windows(size)]
    assert_close(shares, torch.tensor(expected, dtype=torch.float64) / math.prod(size))


def test_half_precision_taps_are_measured_in_float64() -> None:
    taps = torch.rand(1, 1, 33, 33).bfloat16()
    assert_close(mass_ratio(taps), mass_ratio(taps.double()))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mass_ratio(torch.ones(3, 3)), ValueError, r"shape \(3, 3\), but need \(out_channels, in_channels"),
        (lambda: radial_profile(torch.ones(3, 3)), ValueError, r"shape \(3, 3\)"),
        (lambda: energy_ratio(torch.ones(1, 1, 3).int()), TypeError, r"taps has dtype torch\.int32"),
        (lambda: effective_size(torch.ones(1, 1, 3), 0), ValueError, "share=0 must be a finite number above 0"),
        (lambda: effective_size(torch.ones(1, 1, 3), "0.9"), TypeError, r"share='0\.9' must be a number above 0"),
        (lambda: windows(5), TypeError, "size=5 must hold one integer for each spatial axis"),
        (lambda: windows(()), ValueError, r"size=\(\) has no spatial axis"),
        (lambda: windows((0,)), ValueError, "size=0 must be at least 1"),
        (lambda: effective_size(torch.ones(1, 1, 3), 90), ValueError, "share=90 must be above 0 and at most 1"),
    ],
)
def test_errors_name_value_and_rule(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
