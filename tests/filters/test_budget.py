"""Parameter counts of implicit filters: of given widths, of budgets and of the published presets."""

from typing import Any

import pytest
from torch import nn

from nifconv import (
    Budget,
    FourierFeatures,
    FrequencyConv2d,
    ImplicitFilter,
    niff_big,
    niff_small,
    niff_tiny,
)


def parameters(subject: nn.Module) -> int:
    return sum(p.numel() for p in subject.parameters())


def test_parameter_count_is_that_of_the_layers_and_not_of_the_kernel() -> None:
    heads = (2 * 4 + 1) * 30
    assert parameters(ImplicitFilter(10, 3, hidden=(8, 4))) == 8 * 8 + 8 + 8 * 4 + 4 + heads
    assert (
        parameters(ImplicitFilter(10, 3, hidden=(8, 4), shared_trunk=False)) == 2 * (8 * 8 + 8 + 8 * 4 + 4) + heads + 30
    )
    assert parameters(ImplicitFilter(10, 3, hidden=(8, 4), coordinates="pixel")) == 2 * 8 + 8 + 8 * 4 + 4 + heads


@pytest.mark.parametrize(
    "options", [{}, {"shared_trunk": False}, {"encoding": FourierFeatures(20)}, {"coordinates": "image"}]
)
@pytest.mark.parametrize(("out", "in_", "ndim"), [(64, 1, 2), (16, 16, 2), (8, 3, 1), (4, 2, 3), (512, 1, 2)])
def test_a_budget_is_used_and_not_exceeded(options: dict[str, Any], out: int, in_: int, ndim: int) -> None:
    for budget in (4000, 9000, 20000):
        subject = ImplicitFilter.with_budget(budget, **options)(out, in_, ndim)
        assert 0.9 * budget <= parameters(subject) <= budget
        assert subject.taps(5).isfinite().all()


def test_with_budget_is_a_name_for_a_budget_of_widths() -> None:
    for budget, out in ((700, 16), (2000, 64)):
        one = ImplicitFilter.with_budget(budget, activation=nn.Tanh)(out, 1)
        assert one.hidden == ImplicitFilter(out, 1, hidden=Budget(budget), activation=nn.Tanh).hidden
        assert isinstance(one.trunks[0][1], nn.Tanh)


def test_a_budget_reaches_the_filters_of_a_layer() -> None:
    layer = FrequencyConv2d(32, 32, groups=32, bias=False, filter=ImplicitFilter.with_budget(700, coordinates="image"))
    assert 630 <= parameters(layer) <= 700
    assert layer.filter.coordinates == "image"


def test_parameters_of_activations_belong_to_the_budget() -> None:
    for budget in (533, 700):
        assert parameters(ImplicitFilter.with_budget(budget, activation=nn.PReLU)(64, 1)) <= budget


def test_the_smallest_budget_works_and_one_less_says_so() -> None:
    smallest = (8 + 1) + (1 + 1) + 3 * 64
    assert parameters(ImplicitFilter.with_budget(smallest)(64, 1)) == smallest
    with pytest.raises(ValueError, match=rf"parameters={smallest - 1} are too few for 64 kernels.*has {smallest}"):
        ImplicitFilter.with_budget(smallest - 1)(64, 1)
    with pytest.raises(ValueError, match="parameters=0 must be at least 1"):
        ImplicitFilter.with_budget(0)
    with pytest.raises(TypeError, match=r"parameters=1\.5 must be an integer"):
        ImplicitFilter.with_budget(1.5)


def test_presets_are_the_published_widths() -> None:
    widths = {preset: preset(8, 1).hidden for preset in (niff_small, niff_big, niff_tiny)}
    assert list(widths.values()) == [(8, 4), (16, 128, 32), (8,)]
    trunk = 2 * 8 + 8 + 8 * 4 + 4
    assert parameters(niff_small(10, 1)) == 2 * trunk + 2 * (4 + 1) * 10
    assert parameters(niff_big(10, 1)) == 2 * (2 * 16 + 16 + 16 * 128 + 128 + 128 * 32 + 32) + 2 * (32 + 1) * 10
    assert parameters(niff_tiny(10, 3)) == 2 * (2 * 8 + 8) + 2 * (8 + 1) * 30
    assert all(preset(8, 1).coordinates == "image" for preset in widths)
