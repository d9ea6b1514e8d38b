import math
from functools import partial
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from nifconv import Envelope, FrequencyConv2d, FrequencyFilter, ImplicitFilter, SpatialFilter, TableFilter, frozen
from nifconv.filters._envelope import EnvelopedFilter
from nifconv.footprint import rms_radius
from tests.filter_contract import FilterContract
from tests.tolerances import assert_near


class TestEnvelopeOfImplicit(FilterContract):
    gain_sizes = (14, 28)  # the Gaussian has to fit onto the map

    def make(
        self, out_channels: int, in_channels: int, ndim: int, *, width: float = 1.5, **changes: Any
    ) -> FrequencyFilter:
        inner = partial(ImplicitFilter, **changes)
        return Envelope(inner, width=width)(out_channels, in_channels, ndim)


class TestEnvelopeOfTaps(FilterContract):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        inner = partial(SpatialFilter, kernel_size=3, **changes)
        return Envelope(inner, width=2.0, per="layer")(out_channels, in_channels, ndim)


@pytest.mark.parametrize("size", [(9, 9), (8, 7), (1, 6)])
def test_taps_are_those_inside_times_the_gaussian(size: tuple[int, int]) -> None:
    subject = Envelope(ImplicitFilter, width=2.0)(4, 2).double()
    assert isinstance(subject, EnvelopedFilter)
    inner, outer = subject.inner.taps(size), subject.taps(size)
    for row in range(size[0]):
        for column in range(size[1]):
            squared = (row - size[0] // 2) ** 2 + (column - size[1] // 2) ** 2
            assert_close(outer[..., row, column], inner[..., row, column] * math.exp(-squared / 8))


def test_towards_infinite_width_it_is_the_bare_filter() -> None:
    subject = Envelope(ImplicitFilter, width=1e6)(4, 2).double()
    assert_near(subject.taps(9), subject.inner.taps(9))
    assert_near(subject((9, 8)), subject.inner((9, 8)))


def test_the_width_bounds_the_kernel() -> None:
    radii = [rms_radius(Envelope(ImplicitFilter, width=w)(64, 1).taps(33)).mean() for w in (1.0, 3.0, 8.0)]
    assert radii[0] < radii[1] < radii[2]
    assert radii[0] < 1.0


@pytest.mark.parametrize("width", [1e-30, 1e300])
def test_extreme_widths_give_numbers(width: float) -> None:
    subject = Envelope(ImplicitFilter, width=width)(2, 1)
    subject.taps(5).square().sum().backward()
    assert subject.taps(5).isfinite().all()
    assert subject.log_width.grad.isfinite().all()


@pytest.mark.parametrize(("per", "count"), [("channel", 6), ("layer", 1)])
def test_widths_are_learned(per: str, count: int) -> None:
    layer = FrequencyConv2d(6, 6, groups=6, filter=Envelope(ImplicitFilter, width=2.0, per=per))
    assert layer.filter.width.shape == (count,)
    layer(torch.randn(1, 6, 12, 12)).square().mean().backward()
    assert layer.filter.log_width.grad.shape == (count,)
    assert (layer.filter.log_width.grad != 0).all()


def test_a_width_is_found_by_gradient_descent() -> None:
    wanted, subject = (Envelope(partial(TableFilter, size=15), width=w)(4, 1) for w in (4.0, 1.0))
    subject.inner.load_state_dict(wanted.inner.state_dict())
    optimizer = torch.optim.Adam([subject.log_width], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        (subject.taps(15) - wanted.taps(15)).square().sum().backward()
        optimizer.step()
    assert_close(subject.width, wanted.width, rtol=0.02, atol=0)


def test_an_envelope_around_a_frozen_filter_still_learns_its_width() -> None:
    subject = Envelope(frozen(ImplicitFilter, seed=1), width=2.0)(4, 1)
    assert [name for name, _ in subject.named_parameters()] == ["log_width"]
    assert not list(frozen(Envelope(ImplicitFilter, width=2.0), seed=1)(4, 1).parameters())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"width": 0}, ValueError, "width=0 must be a finite number above 0"),
        ({"width": -1.5}, ValueError, r"width=-1\.5 must be a finite number above 0"),
        ({"width": float("nan")}, ValueError, "width=nan must be"),
        ({"width": "wide"}, TypeError, "width='wide' must be a number above 0, not str"),
        ({"width": 1.0, "per": "kernel"}, ValueError, "per='kernel' is unknown; use one of 'channel', 'layer'"),
    ],
)
def test_refuses_invalid_arguments(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Envelope(ImplicitFilter, **arguments)


def test_refuses_a_filter_instead_of_a_factory() -> None:
    with pytest.raises(TypeError, match=r"give ImplicitFilter, not ImplicitFilter\(\.\.\.\)"):
        Envelope(ImplicitFilter(1, 1), width=1.0)
