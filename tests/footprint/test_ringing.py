"""Cross preference and alternation of signs: on kernels whose values are known, and on spectra that jump or do not."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from nifconv import footprint
from nifconv.footprint import cross_preference, cross_share, sign_alternation
from tests.footprint.kernels import box, checkerboard, delta, gaussian


def sinc(size: int, shift: float = 0.5) -> torch.Tensor:
    """Taps of a spectrum that jumps at Nyquist on one axis and is flat on the other, `(1, 1, size, size)`."""
    taps = torch.zeros(1, 1, size, size, dtype=torch.float64)
    taps[0, 0, size // 2] = torch.sinc(torch.arange(size).double() - size // 2 - shift)
    return taps


@pytest.mark.parametrize("size", [(40, 41), (16, 17, 18)])
def test_white_noise_prefers_no_place_and_no_sign(size: tuple[int, ...]) -> None:
    taps = torch.randn(40, 10, *size, generator=torch.Generator().manual_seed(0))
    assert_close(cross_preference(taps).mean().item(), 1.0, atol=0.02, rtol=0)
    assert_close(sign_alternation(taps).mean().item(), 0.5, atol=0.02, rtol=0)


def by_the_formula(kernel: torch.Tensor) -> float:
    """Cross preference of one 2-d kernel, pixel by pixel."""
    on_cross, mass, pixels, cross_pixels = 0.0, Counter(), Counter(), Counter()
    for i, line in enumerate(kernel.abs().double().tolist()):
        for j, weight in enumerate(line):
            y, x = abs(i - kernel.shape[0] // 2), abs(j - kernel.shape[1] // 2)
            if max(y, x) > 4:
                ring, cross = round(math.hypot(y, x)), min(y, x) <= 1
                on_cross += weight * cross
                mass[ring] += weight
                pixels[ring] += 1
                cross_pixels[ring] += cross
    return on_cross / sum(mass[ring] * cross_pixels[ring] / pixels[ring] for ring in pixels)


def test_the_measure_is_that_of_its_formula() -> None:
    taps = torch.randn(3, 2, 17, 22) * torch.rand(3, 2, 17, 22) ** 4
    expected = [[by_the_formula(kernel) for kernel in line] for line in taps]
    assert_close(cross_preference(taps), torch.tensor(expected, dtype=torch.float64))


def test_the_share_on_the_cross_is_that_of_its_area_for_a_flat_kernel() -> None:
    # 21 x 21 pixels without 9 x 9; the cross has 21 x 3 + 21 x 3 - 9, of which 9 x 3 + 9 x 3 - 9 lie inside the window.
    assert_close(cross_share(torch.ones(1, 1, 21, 21)).item(), (117 - 45) / (441 - 81))
    assert cross_share(delta((21, 21), (5, 1))).item() == 1
    assert cross_share(delta((21, 21), (5, 2))).item() == 0
    assert cross_share(box((21, 21), 9)).isnan().all()


def test_a_ringing_axis_is_seen() -> None:
    for taps in (sinc(33), sinc(33).mT, sinc(32).repeat(3, 2, 1, 1)):
        assert cross_preference(taps).min() > 3
        assert_close(sign_alternation(taps), torch.ones(taps.shape[:2]).double())


@pytest.mark.parametrize("sigma", [2.5, 5.0, 10.0])
def test_kernels_that_depend_on_distance_alone_have_no_preference_and_one_sign(sigma: float) -> None:
    taps = gaussian((56, 56), sigma, sigma)
    assert_close(cross_preference(taps).item(), 1.0, atol=0.1, rtol=0)
    assert sign_alternation(taps).item() == 0


def test_signs_alone_change_the_alternation_alone() -> None:
    for size in ((41, 30), (12, 12, 12)):
        assert_close(cross_preference(checkerboard(size)).item(), 1.0)
        assert_close(sign_alternation(checkerboard(size)).item(), 1.0)
        assert_close(sign_alternation(torch.ones(1, 1, *size)).item(), 0.0)


def test_the_cross_is_three_pixels_wide_and_begins_outside_nine() -> None:
    # Ring 5 outside the window holds 4 x 5 pixels, (5, -2) to (5, 2) and alike, of which 4 x 3 lie on the cross.
    for place in ((5, 0), (0, -5), (5, 1), (-1, 5)):
        assert_close(cross_preference(delta((21, 21), place).double()).item(), 20 / 12)
    for place in ((5, 2), (5, 5), (2, -6)):
        assert cross_preference(delta((21, 21), place)).item() == 0
    assert cross_preference(box((21, 21), 9)).isnan().all()
    assert cross_preference(delta((21, 21), (10, 10))).isnan().all()  # the axes end before that distance


def test_axes_in_three_dimensions_are_lines_not_planes() -> None:
    size = (13, 13, 13)
    assert cross_preference(delta(size, (5, 1, -1))) > 1
    assert cross_preference(delta(size, (5, 3, 0))) == 0


@pytest.mark.parametrize(
    "taps",
    [delta((33, 33)), box((33, 33), 9), torch.ones(1, 1, 9, 9), torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 20, 20)],
)
def test_kernels_with_nothing_outside_nine_pixels_have_no_value(taps: torch.Tensor) -> None:
    assert cross_preference(taps).isnan().all()
    assert sign_alternation(taps).isnan().all()


def test_rounding_is_not_a_tail() -> None:
    taps = delta((48, 48)) + 1e-9 * torch.randn(1, 1, 48, 48)
    assert cross_preference(taps).isnan().all()
    assert sign_alternation(taps).isnan().all()
    one_bad = torch.randn(1, 2, 20, 20)
    one_bad[0, 0, 0, 0] = torch.inf
    assert cross_preference(one_bad).isnan().tolist() == [[True, False]]
    assert sign_alternation(one_bad).isnan().tolist() == [[True, False]]


def test_in_one_dimension_there_is_no_cross_but_signs_alternate() -> None:
    taps = torch.tensor([(-1.0) ** n for n in range(21)])[None, None]
    assert cross_preference(taps).isnan().all()
    assert_close(sign_alternation(taps).item(), 1.0)
    assert cross_preference(torch.randn(1, 1, 40, 3)).isnan().all()


def test_only_signs_outside_the_window_count() -> None:
    for start, stop in ((6, 15), (0, 6), (15, 21)):  # the window, before it and after it; its centre is 10
        taps = torch.ones(1, 1, 21)
        taps[..., start:stop] = torch.tensor([(-1.0) ** n for n in range(start, stop)])
        # 5 + 5 neighbours outside, all of those on one side alternate or none.
        assert_close(sign_alternation(taps).item(), 0.0 if start == 6 else 0.5)


def test_zeros_between_dilated_taps_are_not_neighbours() -> None:
    taps = torch.zeros(1, 1, 31, 31)
    taps[..., ::2, ::2] = 1.0
    assert sign_alternation(taps).isnan().all()
    assert cross_preference(taps).isfinite().all()


def test_the_survey_has_both_with_their_null() -> None:
    (layer,) = footprint.survey(torch.nn.Conv2d(1, 8, 21), torch.zeros(1, 1, 30, 30), null=3).layers
    assert_close(layer.statistic("cross_preference"), cross_preference(layer.taps).quantile(0.5).item())
    assert_close(layer.statistic("sign_alternation"), sign_alternation(layer.taps).quantile(0.5).item())
    data = layer.to_dict()
    assert abs(data["null"]["cross_preference"]["mean"] - 1) < 0.2
    assert abs(data["null"]["sign_alternation"]["mean"] - 0.5) < 0.2
    (small,) = footprint.survey(torch.nn.Conv2d(1, 8, 3), torch.zeros(1, 1, 30, 30), null=3).layers
    assert math.isnan(small.statistic("cross_preference"))
    assert small.to_dict()["null"]["cross_preference"]["z"] is None


def random_mlp(features: np.ndarray, kernels: int, seed: int) -> np.ndarray:
    """Two hidden layers of 16 SiLU units with PyTorch's default uniform weights, `(2, kernels, ...)`."""
    draw = np.random.default_rng(seed)
    x = features
    for width in (16, 16, 2 * kernels):
        bound = 1 / math.sqrt(x.shape[-1])
        x = x @ draw.uniform(-bound, bound, (x.shape[-1], width)) + draw.uniform(-bound, bound, width)
        x = x / (1 + np.exp(-x)) if width == 16 else x
    return np.moveaxis(x, -1, 0).reshape(2, kernels, *features.shape[:-1])


def centred_taps(spectrum: np.ndarray) -> torch.Tensor:
    """Full complex spectra `(kernels, rows, columns)` to centred taps, as the published `ifft2(...).real` does."""
    return torch.from_numpy(np.fft.fftshift(np.fft.ifft2(spectrum).real, axes=(-2, -1)).copy())[None]


def test_raw_coordinates_ring_and_smooth_periodic_ones_do_not() -> None:
    size, kernels = 56, 32
    f = np.stack(np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij"), axis=-1)
    real, imaginary = random_mlp(f * size, kernels, seed=0)  # integer cycles per image, as published
    raw = centred_taps(real + 1j * imaginary)
    # Integer waves are the same function at f = 1/2 and -1/2; their even and odd parts are Hermitian everywhere.
    phase = 2 * np.pi * f @ np.array([(1, 0), (0, 1), (1, 1), (1, -1)]).T
    there, back = (random_mlp(np.concatenate([np.cos(s * phase), np.sin(s * phase)], -1), kernels, 1) for s in (1, -1))
    periodic = centred_taps((there[0] + back[0]) / 2 + 0.5j * (there[1] - back[1]))
    assert (1 - footprint.mass_ratio(raw)[..., 4]).median() > 0.3
    assert cross_preference(raw).quantile(0.1) > 2.5
    assert sign_alternation(raw).quantile(0.1) > 0.9
    assert cross_preference(periodic).quantile(0.9) < 1.5
    assert sign_alternation(periodic).quantile(0.9) < 0.75
