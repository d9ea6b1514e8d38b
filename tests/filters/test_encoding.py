import itertools
import math
from typing import Any

import pytest
import torch

from nifconv import FourierFeatures, MultiScaleFeatures
from nifconv.filters import Neighbors
from nifconv.filters._coordinates import RawCoordinates, Waves

CPU = torch.device("cpu")


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_offsets_are_distinct_up_to_sign_and_within_reach(ndim: int) -> None:
    offsets = FourierFeatures(reach=9, features=9).draw(ndim)
    assert offsets.shape == (9, ndim)
    assert offsets.dtype == torch.int64
    assert 1 <= offsets.abs().max() <= 9
    points = {tuple(p) for p in offsets.tolist()} | {tuple(-c for c in p) for p in offsets.tolist()}
    assert len(points) == 18


def test_every_wave_of_a_small_box_can_be_drawn() -> None:
    offsets = FourierFeatures(reach=1, features=4).draw(2).tolist()
    assert {tuple(p) for p in offsets} | {tuple(-c for c in p) for p in offsets} == {
        (a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)
    } - {(0, 0)}


def test_the_draw_depends_on_the_seed_and_nothing_else() -> None:
    first = FourierFeatures(reach=24, seed=1).draw(2)
    torch.rand(3)
    assert torch.equal(FourierFeatures(reach=24, seed=1).draw(2), first)
    assert not torch.equal(FourierFeatures(reach=24, seed=2).draw(2), first)


@pytest.mark.parametrize(("ndim", "count"), [(1, 1), (2, 4), (3, 13)])
def test_neighbours_are_all_of_them_up_to_sign(ndim: int, count: int) -> None:
    offsets = {tuple(p) for p in Neighbors().draw(ndim).tolist()}
    assert len(offsets) == count
    both = offsets | {tuple(-c for c in p) for p in offsets}
    assert both == set(itertools.product((-1, 0, 1), repeat=ndim)) - {(0,) * ndim}
    assert len(Neighbors(2).draw(ndim)) == (5**ndim - 1) // 2


@pytest.mark.parametrize(("ndim", "features"), [(1, 8), (2, 16), (3, 24)])
def test_multi_scale_offsets_grow_by_equal_factors_in_all_directions(ndim: int, features: int) -> None:
    offsets = MultiScaleFeatures(64, features=features).draw(ndim)
    assert offsets.dtype == torch.int64
    points = {tuple(p) for p in offsets.tolist()} | {tuple(-c for c in p) for p in offsets.tolist()}
    assert len(points) == 2 * features
    near = len(Neighbors().draw(ndim))
    assert torch.equal(offsets[:near], Neighbors().draw(ndim))
    radii = offsets[near:].double().norm(dim=1)
    expected = 2 * 32 ** torch.linspace(0, 1, features - near, dtype=torch.float64)
    torch.testing.assert_close(radii, expected, rtol=0, atol=0.9)
    assert offsets.abs().max() <= 64


def test_multi_scale_offsets_of_a_plane_leave_no_wide_gap_between_directions() -> None:
    for seed in range(5):
        far = MultiScaleFeatures(24, seed=seed).draw(2)[4:].double()
        angles = torch.atan2(far[:, 0], far[:, 1]).remainder(math.pi).sort().values
        gaps = torch.cat([angles.diff(), angles[:1] + math.pi - angles[-1:]])
        assert gaps.max() < math.pi / 3


@pytest.mark.parametrize("reach", [1, 2, 3, 24])
def test_multi_scale_offsets_on_a_line_take_the_next_free_pixel(reach: int) -> None:
    offsets = MultiScaleFeatures(reach, features=min(reach, 16)).draw(1).flatten().abs().tolist()
    assert len(set(offsets)) == len(offsets)
    assert max(offsets) == reach
    assert set(range(1, min(reach, 6) + 1)) <= set(offsets)


def test_only_the_neighbours_have_an_amplitude_at_first() -> None:
    encoding = MultiScaleFeatures(24)
    offsets = encoding.draw(2)
    assert encoding.amplitudes(offsets).tolist() == [1.0] * 4 + [0.0] * 12


def test_features_are_waves_over_frequency_and_their_mirrors() -> None:
    waves = Waves(((2, -1), (0, 3)), (1.0, 1.0))((4, 8), CPU)
    assert waves.shape == (2, 4, 5, 4)
    for sign, found in zip((1, -1), waves, strict=True):
        row, column = sign * 0.25, sign * 0.375
        phases = [2 * math.pi * (2 * row - column), 2 * math.pi * 3 * column]
        expected = torch.tensor([*map(math.cos, phases), *map(math.sin, phases)], dtype=torch.float64)
        torch.testing.assert_close(found[1, 3], expected)


def test_a_wave_is_a_single_tap_at_its_offset() -> None:
    cosine, sine = Waves(((2, -1),), (1.0,))((7, 6), CPU)[0].unbind(-1)
    kernel = torch.fft.irfft2(torch.complex(cosine, sine), s=(7, 6))
    expected = torch.zeros(7, 6, dtype=torch.float64)
    expected[-2, 1] = 1  # exp(+2 pi i f . n): the correlation reads at +n, the impulse answers at -n
    torch.testing.assert_close(kernel, expected)


def test_raw_coordinates_are_those_of_a_bin_between_minus_one_half_and_one_half() -> None:
    pixel, image = (RawCoordinates(1, image=image)((6,), CPU).squeeze(-1) for image in (False, True))
    assert image.tolist() == [[0, 1, 2, -3], [0, -1, -2, -3]]
    torch.testing.assert_close(pixel, image / 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"reach": 0}, ValueError, "reach=0 must be at least 1"),
        ({"reach": 10**7}, ValueError, "reach=10000000 must be at most 1000000 pixels"),
        ({"reach": 200, "features": 16_385}, ValueError, "features=16385 must be at most 16384; the network gets two"),
        ({"reach": 2.5}, TypeError, r"reach=2\.5 must be an integer, not float"),
        ({"reach": 2, "features": 0}, ValueError, "features=0 must be at least 1"),
        ({"reach": 2, "seed": "a"}, TypeError, "seed='a' must be an integer, not str"),
    ],
)
@pytest.mark.parametrize("encoding", [FourierFeatures, MultiScaleFeatures])
def test_refuses_invalid_arguments(
    encoding: Any, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        encoding(**arguments)


def test_refuses_invalid_reaches_of_neighbours() -> None:
    with pytest.raises(ValueError, match="reach=0 must be at least 1"):
        Neighbors(0)
    with pytest.raises(ValueError, match="reach=100 gives more than 16384 waves in 2-d; use MultiScaleFeatures"):
        Neighbors(100).draw(2)
    with pytest.raises(TypeError, match=r"reach=1\.5 must be an integer"):
        Neighbors(1.5)


def test_refuses_numbers_of_offsets_that_no_radii_hold() -> None:
    with pytest.raises(ValueError, match="features=5 must be at least 13, the neighbours of the centre in 3-d"):
        MultiScaleFeatures(9, features=5).draw(3)
    with pytest.raises(ValueError, match="features=16 is more than reach=6 holds in 1-d"):
        MultiScaleFeatures(6).draw(1)


def test_refuses_more_features_than_the_box_has_waves() -> None:
    with pytest.raises(
        ValueError, match="features=16 is more than the 3 distinct waves of reach=3 in 1-d; use at most 3"
    ):
        FourierFeatures(reach=3).draw(1)
