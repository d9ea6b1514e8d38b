"""How Gaussian a receptive field is."""

import math

import pytest
import torch
from torch import Tensor, nn

from nifconv.footprint import ReceptiveField, effective_receptive_field


def field(shares: Tensor) -> ReceptiveField:
    return ReceptiveField("", shares.double() / shares.double().sum(), 1)


def by_loops(shares: Tensor) -> float:
    """The definition, pixel by pixel."""
    rows, columns = shares.shape
    c = (shares.double() / shares.double().sum()).tolist()
    pixels = [(y, x) for y in range(rows) for x in range(columns)]
    mean = [sum(c[y][x] * (y, x)[axis] for y, x in pixels) for axis in (0, 1)]
    a, b, d = (
        sum(c[y][x] * ((y, x)[i] - mean[i]) * ((y, x)[j] - mean[j]) for y, x in pixels)
        for i, j in ((0, 0), (0, 1), (1, 1))
    )
    determinant = a * d - b * b

    def density(y: int, x: int) -> float:
        v, u = y - mean[0], x - mean[1]
        return math.exp(-(d * v * v - 2 * b * v * u + a * u * u) / determinant / 2)

    total = sum(density(y, x) for y, x in pixels)
    return 1 - sum(abs(c[y][x] - density(y, x) / total) for y, x in pixels) / 2


def test_it_is_that_of_its_definition() -> None:
    for seed in range(3):
        shares = torch.rand(7, 9, generator=torch.Generator().manual_seed(seed)) ** 4
        assert field(shares).gaussian == pytest.approx(by_loops(shares), abs=1e-12)


def test_a_gaussian_scores_1_wherever_it_lies_and_however_it_is_turned() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    for rows, columns, tilt in ((2.0, 2.0, 0.0), (4.0, 2.0, 0.1), (3.0, 3.0, -0.08)):
        v, u = y - 30.3, x - 21.0
        blob = torch.exp(-(v**2 / rows**2 + u**2 / columns**2 + tilt * v * u) / 2)
        assert field(blob).gaussian == pytest.approx(1, abs=1e-4)
    line = torch.exp(-(torch.arange(31.0) - 14).square() / 18)
    assert field(line).gaussian == pytest.approx(1, abs=1e-3)
    assert field(torch.diag(line)).gaussian == pytest.approx(1, abs=1e-3)  # a line has no width across


def test_two_points_a_ring_and_a_box_are_less_gaussian_in_this_order() -> None:
    y, x = torch.meshgrid(torch.arange(-20.0, 21), torch.arange(-20.0, 21), indexing="ij")
    radius = torch.hypot(y, x)
    points = torch.zeros(41, 41)
    points[20, [5, 35]] = 1
    ring, box = ((radius > 13) & (radius < 16)).float(), (radius < 12).float()
    scores = [field(shape).gaussian for shape in (points, ring, box)]
    assert scores == sorted(scores)
    assert scores[0] < 0.1
    assert 0.6 < scores[2] < 0.95


@pytest.mark.parametrize("size", [(9,), (9, 8), (3, 4, 5)])
def test_a_single_pixel_scores_1_and_a_dead_field_has_no_score(size: tuple[int, ...]) -> None:
    shares = torch.zeros(size)
    shares[(1,) * len(size)] = 1
    assert field(shares).gaussian == pytest.approx(1)
    assert math.isnan(field(torch.zeros(size)).gaussian)


def test_deep_stacks_of_small_kernels_tend_to_a_gaussian() -> None:
    def stack(depth: int) -> float:
        net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(depth)])
        for conv in net:
            nn.init.ones_(conv.weight)
        return effective_receptive_field(net, torch.ones(1, 1, 48, 48))[0].gaussian

    scores = [stack(depth) for depth in (1, 2, 4, 8)]
    assert scores == sorted(scores)
    assert scores[-1] > 0.98
