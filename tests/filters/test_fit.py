import math
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from nifconv import (
    Envelope,
    FilterBank,
    FourierFeatures,
    FrequencyFilter,
    ImplicitFilter,
    SpatialFilter,
    TableFilter,
    fit,
    frequency,
    frozen,
)
from tests.tolerances import assert_near

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)
KINDS: dict[str, Any] = {
    "implicit": partial(ImplicitFilter, hidden=(6, 4)),
    "image": partial(ImplicitFilter, hidden=(6,), coordinates="image"),
    "waves": partial(ImplicitFilter, hidden=(6,), encoding=FourierFeatures(3, features=3)),
    "two trunks": partial(ImplicitFilter, hidden=(4,), shared_trunk=False),
    "spatial": partial(SpatialFilter, kernel_size=3),
    "table": partial(TableFilter, size=7),
    "envelope": Envelope(partial(ImplicitFilter, hidden=(6,)), width=2.0),
}


@given(SIZES, st.integers(0, 2))
def test_taps_and_tables_that_are_large_enough_take_the_target_exactly(size: tuple[int, ...], margin: int) -> None:
    target = torch.randn(3, 2, *size, dtype=torch.float64)
    larger = [n + 2 * margin for n in size]
    for kind in (partial(SpatialFilter, kernel_size=size), partial(TableFilter, size=larger)):
        subject = kind(3, 2, len(size)).double()
        result = fit(subject, target)
        assert result.residual < 1e-13
        assert_near(subject.taps(size), target)
        assert fit(subject, target, size=larger).residual < 1e-13


@pytest.mark.parametrize("kind", [partial(SpatialFilter, kernel_size=3), partial(TableFilter, size=3)])
def test_what_is_too_small_takes_what_it_holds(kind: Any) -> None:
    target = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    lost = target.clone()
    lost[..., 1:4, 1:4] = 0
    result = fit(kind(2, 3).double(), target)
    assert result.residual == pytest.approx((lost.norm() / target.norm()).item())
    assert_near(result.residuals, lost.flatten(2).norm(dim=2) / target.flatten(2).norm(dim=2))


def best_in_closed_form(subject: FrequencyFilter, target: Tensor) -> float:
    """|what least squares on the last layer leaves| / |target|, with the basis read off the filter itself."""
    heads = [p for name, p in subject.named_parameters() if name.rpartition(".")[0] in ("real", "imag")]
    size = tuple(target.shape[2:])
    columns = []
    with torch.no_grad():
        for head in heads:
            head.zero_()
        for head in heads:
            for place in range(head[0].numel()):
                head[0].view(-1)[place] = 1
                columns.append(subject.taps(size)[0, 0].flatten().clone())
                head[0].view(-1)[place] = 0
    basis = torch.stack(columns, 1)
    kernels = target.flatten(0, 1).flatten(1).T
    solution = torch.linalg.lstsq(basis, kernels, driver="gelsd", rcond=1e-7).solution
    return ((basis @ solution - kernels).norm() / kernels.norm()).item()


@pytest.mark.parametrize("kind", ["implicit", "image", "waves", "two trunks"])
@pytest.mark.parametrize("size", [(5,), (4, 5), (3, 4, 3)])
def test_without_steps_the_last_layer_is_solved_by_least_squares(kind: str, size: tuple[int, ...]) -> None:
    subject = KINDS[kind](3, 2, len(size)).double()
    trunk = [p.clone() for name, p in subject.named_parameters() if name.startswith("trunks")]
    target = torch.randn(3, 2, *size, dtype=torch.float64)
    result = fit(subject, target, steps=0)
    after = [p for name, p in subject.named_parameters() if name.startswith("trunks")]
    assert all(torch.equal(a, b) for a, b in zip(trunk, after, strict=True))
    assert result.residual == pytest.approx(best_in_closed_form(subject, target), rel=1e-4, abs=1e-5)


def test_steps_move_the_trunk_and_come_closer() -> None:
    target = torch.randn(16, 1, 3, 3)
    residuals = []
    for steps in (0, 5, 100):
        torch.manual_seed(1)
        residuals.append(fit(KINDS["implicit"](16, 1), target, size=9, steps=steps).residual)
    assert residuals[0] > residuals[1] > residuals[2]
    assert residuals[2] < 0.7 * residuals[0]


def test_wider_networks_come_closer() -> None:
    target = torch.randn(16, 1, 3, 3)
    residuals = []
    for width in (1, 3, 9):
        torch.manual_seed(0)
        residuals.append(fit(ImplicitFilter(16, 1, hidden=(8, width)), target, size=7).residual)
    assert residuals == sorted(residuals, reverse=True)
    assert residuals[-1] < 0.1 < 0.3 < residuals[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_result_is_measured_on_the_filter_as_it_is(kind: str, ndim: int) -> None:
    subject = KINDS[kind](3, 2, ndim)
    target = torch.randn(3, 2, *(3, 2, 3)[:ndim])
    target[1, 1] = 0
    size = (5, 6, 4)[:ndim]
    before = subject.taps(size)
    result = fit(subject, target, size=size, steps=20)
    assert result.filter is subject
    error = (subject.taps(size) - frequency.resize_taps(target, size)).double().flatten(2)
    assert result.residual == pytest.approx((error.norm() / target.double().norm()).item(), rel=1e-6, abs=1e-9)
    assert (result.residuals.shape, result.residuals.dtype) == ((3, 2), torch.float64)
    assert result.residuals[1, 1] in (0, math.inf)
    expected = error[0].norm(dim=1) / target[0].double().flatten(1).norm(dim=1)
    assert_near(result.residuals[0], expected, dtype=torch.float32)
    if kind != "spatial":
        assert not torch.equal(before, subject.taps(size))


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_closer_than_nothing_and_no_farther_than_zero(kind: str) -> None:
    result = fit(KINDS[kind](4, 1), torch.randn(4, 1, 3, 3), size=8)
    assert result.residual < 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_of_zeros_is_met(kind: str) -> None:
    subject = KINDS[kind](2, 2)
    result = fit(subject, torch.zeros(2, 2, 3, 3), size=5)
    assert (result.residual, result.residuals.abs().max().item()) == (0, 0)
    assert subject.taps(5).abs().max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_of_one_pixel(kind: str) -> None:
    target = torch.randn(2, 2, 1, 1)
    assert fit(KINDS[kind](2, 2), target).residual < 1e-4


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_dtype_gradients_and_the_random_state_are_left_alone(kind: str, dtype: torch.dtype) -> None:
    subject = KINDS[kind](2, 2).to(dtype)
    subject.requires_grad_(False)
    target = torch.randn(2, 2, 3, 3, requires_grad=True)
    state = torch.get_rng_state()
    result = fit(subject, target, size=4, steps=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert {p.dtype for p in subject.parameters()} == {dtype}
    assert all(p.grad is None and p.is_leaf and not p.requires_grad for p in subject.parameters())
    assert target.grad is None
    assert not result.residuals.requires_grad


def test_fitting_again_changes_little() -> None:
    subject = KINDS["implicit"](4, 1).double()
    target = torch.randn(4, 1, 3, 3, dtype=torch.float64)
    once = fit(subject, target, size=8, steps=300).residual
    assert fit(subject, target, size=8, steps=5).residual <= once + 1e-9


def test_an_envelope_is_at_least_as_close_as_its_inner_filter_alone() -> None:
    target = torch.randn(8, 1, 3, 3)
    inside = partial(ImplicitFilter, hidden=(4,))
    for steps in (0, 30):
        torch.manual_seed(3)
        wrapped = fit(Envelope(inside, width=5.0)(8, 1), target, size=15, steps=steps)
        torch.manual_seed(3)
        alone = fit(inside(8, 1), target, size=15, steps=steps)
        assert wrapped.residual < alone.residual


def test_a_filter_without_a_closed_form_is_fitted_by_descent() -> None:
    class Plain(FrequencyFilter):
        def __init__(self, out_channels: int, in_channels: int, ndim: int = 2) -> None:
            super().__init__(out_channels, in_channels, ndim)
            self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *(3,) * ndim))

        def forward(self, size: Any) -> Tensor:
            return frequency.taps_to_spectrum(self.weight, size)

        def _draw(self) -> None: ...

        def _scale_(self, factor: float) -> None:
            self.weight.mul_(factor)

    subject = Plain(2, 2)
    assert fit(subject, torch.randn(2, 2, 3, 3)).residual < 1e-4


@pytest.mark.parametrize(
    ("filter", "taps", "options", "error", "message"),
    [
        (nn.Identity(), torch.ones(1), {}, TypeError, "filter must be a FrequencyFilter, not Identity; give a layer's"),
        (ImplicitFilter, torch.ones(1), {}, TypeError, "filter must be a FrequencyFilter, not ABCMeta"),
        (ImplicitFilter(2, 1), 3, {}, TypeError, r"taps must be a torch\.Tensor, not int"),
        (ImplicitFilter(2, 1), torch.ones(2, 1, 3, 3).int(), {}, TypeError, "taps has dtype torch.int32"),
        (
            ImplicitFilter(2, 1),
            torch.ones(2, 1, 3),
            {},
            ValueError,
            r"taps have the shape \(2, 1, 3\), .* \(2, 1\) and 2",
        ),
        (ImplicitFilter(2, 1), torch.ones(1, 2, 3, 3), {}, ValueError, r"taps have the shape \(1, 2, 3, 3\)"),
        (
            ImplicitFilter(2, 1),
            torch.ones(2, 1, 3, 3),
            {"size": 2},
            ValueError,
            r"size=\(2, 2\) is smaller than .*\(3, 3",
        ),
        (ImplicitFilter(2, 1), torch.ones(2, 1, 3, 3), {"size": (9, 2)}, ValueError, r"size=\(9, 2\) is smaller"),
        (ImplicitFilter(2, 1), torch.ones(2, 1, 3, 3), {"size": 5.0}, TypeError, r"size=5\.0 must be an integer"),
        (ImplicitFilter(2, 1), torch.ones(2, 1, 3, 3), {"size": (5,)}, ValueError, "has 1 entries, .* 2 spatial axes"),
        (
            ImplicitFilter(2, 1),
            torch.ones(2, 1, 3, 3),
            {"steps": -1},
            ValueError,
            "steps=-1 must be at least 0; 0 solves",
        ),
        (ImplicitFilter(2, 1), torch.ones(2, 1, 3, 3), {"steps": 2.5}, TypeError, r"steps=2\.5 must be an integer"),
        (
            ImplicitFilter(2, 1),
            torch.full((2, 1, 3, 3), math.nan),
            {},
            ValueError,
            "taps contain NaN or inf; remove them",
        ),
        (
            frozen(ImplicitFilter, seed=1)(2, 1),
            torch.ones(2, 1, 3, 3),
            {},
            ValueError,
            "is frozen and cannot be fitted",
        ),
        (Envelope(frozen(ImplicitFilter, seed=1), 2.0)(2, 1), torch.ones(2, 1, 3, 3), {}, ValueError, "is frozen and"),
        (
            FilterBank(ImplicitFilter, 2)(2, 1),
            torch.ones(2, 1, 3, 3),
            {},
            ValueError,
            "is shared with other layers and",
        ),
        (
            parametrizations.weight_norm(SpatialFilter(2, 1, kernel_size=3)),
            torch.ones(2, 1, 3, 3),
            {},
            ValueError,
            "weights of ParametrizedSpatialFilter are parametrized and cannot be set; remove",
        ),
    ],
)
def test_invalid_arguments_are_refused(
    filter: Any, taps: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = [p.clone() for p in filter.parameters()] if isinstance(filter, nn.Module) else []
    with pytest.raises(error, match=message):
        fit(filter, taps, **options)
    if before:
        assert all(torch.equal(a, b) for a, b in zip(before, filter.parameters(), strict=True))
