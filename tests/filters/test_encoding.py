import math
from typing import Any

import pytest
import torch

from nifconv import FourierFeatures
from nifconv.filters._encoding import encode


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


def test_features_are_waves_over_frequency() -> None:
    offsets = torch.tensor([[2, -1], [0, 3]])
    row, column = 0.3, -0.2
    phases = [2 * math.pi * (2 * row - column), 2 * math.pi * 3 * column]
    expected = torch.tensor([*map(math.cos, phases), *map(math.sin, phases)], dtype=torch.float64)
    torch.testing.assert_close(encode(torch.tensor([row, column], dtype=torch.float64), offsets), expected)


def test_a_wave_is_a_single_tap_at_its_offset() -> None:
    offsets = torch.tensor([[2, -1]])
    frequencies = torch.stack(
        torch.meshgrid(torch.fft.fftfreq(7).double(), torch.fft.fftfreq(6).double(), indexing="ij"), -1
    )
    cosine, sine = encode(frequencies, offsets).unbind(-1)
    kernel = torch.fft.ifft2(torch.complex(cosine, sine))
    expected = torch.zeros(7, 6, dtype=torch.complex128)
    expected[-2, 1] = 1  # exp(+2 pi i f . n): the correlation reads at +n, the impulse answers at -n
    torch.testing.assert_close(kernel, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"reach": 0}, ValueError, "reach=0 must be at least 1"),
        ({"reach": 10**7}, ValueError, "reach=10000000 must be at most 1000000 pixels"),
        ({"reach": 2.5}, TypeError, r"reach=2\.5 must be an integer, not float"),
        ({"reach": 2, "features": 0}, ValueError, "features=0 must be at least 1"),
        ({"reach": 2, "seed": "a"}, TypeError, "seed='a' must be an integer, not str"),
    ],
)
def test_refuses_senseless_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FourierFeatures(**arguments)


def test_refuses_more_features_than_the_box_has_waves() -> None:
    with pytest.raises(
        ValueError, match="features=16 is more than the 3 distinct waves of reach=3 in 1-d; use at most 3"
    ):
        FourierFeatures(reach=3).draw(1)
