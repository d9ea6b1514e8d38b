"""Implicit filters on maps of several sizes: where their kernels reach, and what stays the same."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import (
    FourierFeatures,
    ImplicitFilter,
    MultiScaleFeatures,
    frequency,
)
from tests import oracles
from tests.tolerances import assert_near


def mass(taps: Tensor) -> Tensor:
    """Share of the |taps| of each kernel, `(kernels, rows, columns)`."""
    share = taps.detach().double().abs().flatten(0, 1)
    return share / share.sum((1, 2), keepdim=True)


def outside(share: Tensor, side: int) -> Tensor:
    """The same with zeros in the window about the centre."""
    rest, centre, half = share.clone(), share.shape[-1] // 2, side // 2
    rest[:, centre - half : centre + half + 1, centre - half : centre + half + 1] = 0
    return rest


def crop(taps: Tensor, size: int) -> Tensor:
    return frequency.resize_taps(taps, (size,) * (taps.dim() - 2))


def trained(encoding: Any, size: int, steps: int = 40) -> ImplicitFilter:
    """A filter taught, on one map, kernels that an untrained one does not have."""
    subject = ImplicitFilter(8, 1, encoding=encoding, hidden=(8, 8)).double()
    target = crop(torch.randn(8, 1, 5, 5, dtype=torch.float64), size)
    optimizer = torch.optim.AdamW(subject.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        (subject.taps(size) - target).square().sum().backward()
        optimizer.step()
    return subject


@pytest.mark.parametrize(
    ("options", "rings"), [({}, False), ({"encoding": MultiScaleFeatures(24)}, False), ({"coordinates": "pixel"}, True)]
)
def test_untrained_kernels_are_compact_and_do_not_ring_along_the_axes(options: dict[str, Any], rings: bool) -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        share = mass(ImplicitFilter(64, 1, **options).taps(48))
        rest = outside(share, 9)
        cross = rest[:, 23:26].sum((1, 2)) + rest[:, :, 23:26].sum((1, 2))
        assert (cross.mean() > 0.2) == rings
        assert rings or cross.mean() < 0.04
        assert (outside(share, 33).sum((1, 2)).mean() > 0.1) == rings
        assert rings or outside(share, 33).sum((1, 2)).mean() < 0.01


def test_a_kernel_reaches_as_far_as_its_fourier_features() -> None:
    far = ImplicitFilter(32, 1, 1, encoding=FourierFeatures(reach=24)).taps(128).square().mean((0, 1))
    near = ImplicitFilter(32, 1, 1).taps(128).square().mean((0, 1))
    outside = torch.arange(-64, 64).abs() > 8
    assert far[outside].sum() / far.sum() > 0.4
    assert near[outside].sum() / near.sum() < 0.2


@pytest.mark.parametrize("encoding", [None, MultiScaleFeatures(6, features=8), FourierFeatures(5, features=6)])
@pytest.mark.parametrize("steps", [0, 40], ids=["untrained", "trained"])
def test_taps_of_two_maps_agree_up_to_the_mass_outside_the_smaller_one(encoding: Any, steps: int) -> None:
    subject = trained(encoding, 20, steps)
    with torch.no_grad():
        far = subject.taps(160)
        for small, large in ((12, 31), (15, 40), (16, 17), (21, 80)):
            window = crop(subject.taps(large), small)
            differs = (subject.taps(small) - window).abs().sum()
            wraps = sum((far.abs().sum() - crop(far, size).abs().sum()) for size in (small, large))
            assert differs <= wraps * (1 + 1e-6) + 1e-9


def test_a_filter_trained_at_one_resolution_has_the_same_taps_at_another() -> None:
    subject = trained(None, 16)
    with torch.no_grad():
        taps = subject.taps(16)
        assert taps.norm() > 0
        for size in (24, 33, 64):
            other = subject.taps(size)
            assert_close(crop(other, 16), taps, rtol=0, atol=0.02 * taps.abs().max().item())
            assert_close(subject.gain(size), subject.gain(16), rtol=0.01, atol=0)


def test_offsets_that_a_map_does_not_hold_are_not_trained_by_it() -> None:
    encoding = MultiScaleFeatures(24)
    reach = encoding.draw(2).abs().amax(1).repeat(2)  # of each input: cosines, then sines
    for size in (8, 17, 64):
        subject = trained(encoding, size, steps=3)
        weight = subject.trunks[0][0].weight.detach()
        learned = weight.abs().amax(0) > 0
        assert learned.equal((reach <= 1) | (2 * reach < size))
    small = trained(encoding, 8)
    assert outside(mass(small.taps(64)), 33).sum((1, 2)).max() < 0.01


def test_a_map_that_is_too_small_gives_the_values_of_the_whole_function_all_the_same() -> None:
    subject = trained(MultiScaleFeatures(24), 64, steps=3)
    with torch.no_grad():
        assert_near(subject((8, 8)), subject((64, 64))[:, :, ::8, :33:8])


def test_pixel_coordinates_keep_the_kernel_in_pixels_and_image_coordinates_relative_to_the_map() -> None:
    pixel = ImplicitFilter(8, 1, 1, activation=nn.Tanh, coordinates="pixel").double()
    image = ImplicitFilter(8, 1, 1, activation=nn.Tanh, coordinates="image").double()
    # The same frequency per sample, and the same number of periods per map, on maps of 16 and 32.
    assert_near(pixel((16,))[..., 1:8], pixel((32,))[..., 2:16:2])
    assert_near(image((16,))[..., 1:8], image((32,))[..., 1:8])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_nothing_passes_above_the_band_limit(ndim: int) -> None:
    free = ImplicitFilter(3, 2, ndim, coordinates="image", shared_trunk=False).double()
    limited = ImplicitFilter(3, 2, ndim, coordinates="image", shared_trunk=False, band_limit=3).double()
    limited.load_state_dict(free.state_dict())
    for length in (5, 6, 9, 16):
        size = (length,) * ndim
        cycles = torch.tensor(oracles.full_grid(size)).reshape(*size, ndim)[..., : length // 2 + 1, :] * length
        passes = (cycles.abs() <= 3.5).all(-1)
        assert_near(limited(size), torch.where(passes, free(size), 0))
        assert passes.all() == (length <= 6)
    assert "band_limit=3" in repr(limited)


@pytest.mark.parametrize(("length", "limit"), [(25, 7), (41, 14), (112, 29), (224, 58)])
def test_the_band_limit_itself_passes_where_its_frequency_is_rounded_up(length: int, limit: int) -> None:
    assert limit / length * length > limit
    limited = ImplicitFilter(2, 1, 1, coordinates="image", band_limit=limit)
    assert (limited(length)[..., limit].abs() > 0).all()
    assert not limited(length)[..., limit + 1 :].any()


def test_the_gain_of_a_limited_filter_is_the_stated_one_and_falls_on_larger_maps() -> None:
    subject = ImplicitFilter(64, 1, coordinates="image", band_limit=8)
    assert_close(subject.gain(32).square().mean().sqrt().item(), 3**-0.5, rtol=0.01, atol=0)
    assert_close(subject.gain(64), subject.gain(32) / 2)  # the same values at a quarter as many frequencies
