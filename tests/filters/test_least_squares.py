import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from nifconv.filters._least_squares import variable_projection


def test_without_steps_it_is_least_squares() -> None:
    basis = torch.randn(4, 12, dtype=torch.float64)
    targets = torch.randn(7, 12, dtype=torch.float64)
    found = variable_projection(lambda: basis, [], targets, steps=0)
    expected = torch.linalg.lstsq(basis.T, targets.T).solution.T
    assert_close(found, expected, rtol=1e-6, atol=1e-6)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5))
def test_where_targets_are_zero_the_result_is_held_to_zero_too(functions: int, points: int, kernels: int) -> None:
    basis = torch.randn(functions, points + 4, dtype=torch.float64)
    targets = torch.zeros(kernels, points + 4, dtype=torch.float64)
    targets[:, 2 : 2 + points] = torch.randn(kernels, points, dtype=torch.float64)
    found = variable_projection(lambda: basis, [], targets, steps=0)
    left = (targets - found @ basis).square().sum()
    best = torch.linalg.lstsq(basis.T, targets.T, driver="gelsd").solution.T
    assert_close(left, (targets - best @ basis).square().sum(), rtol=1e-5, atol=1e-8 * targets.square().sum().item())


def test_the_nonlinear_parameters_of_a_sum_of_waves_are_found() -> None:
    points = torch.linspace(0, 1, 40, dtype=torch.float64)

    def waves(rates: Tensor) -> Tensor:
        return torch.exp(-rates.unsqueeze(1) * points)

    truth = torch.tensor([1.0, 6.0], dtype=torch.float64)
    targets = torch.tensor([[1.0, -2.0], [3.0, 0.5], [0.2, 0.4]], dtype=torch.float64) @ waves(truth)
    rates = torch.tensor([0.5, 9.0], dtype=torch.float64, requires_grad=True)
    found = variable_projection(lambda: waves(rates), [rates], targets, steps=200)
    assert_close(rates.detach(), truth, rtol=1e-3, atol=0)
    assert_close(found @ waves(truth), targets, rtol=1e-2, atol=1e-3)


def test_a_basis_that_is_dependent_or_zero_gives_finite_coefficients() -> None:
    row = torch.randn(1, 9, dtype=torch.float64)
    targets = torch.randn(2, 9, dtype=torch.float64)
    for basis in (torch.cat([row, row, 2 * row]), torch.zeros(3, 9, dtype=torch.float64)):
        found = variable_projection(lambda basis=basis: basis, [], targets, steps=0)
        assert found.isfinite().all()
        best = torch.linalg.lstsq(basis.T, targets.T, driver="gelsd").solution.T
        assert_close(found @ basis, best @ basis, rtol=1e-5, atol=1e-6)


def test_targets_of_zero_give_zero_and_move_nothing() -> None:
    rate = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    points = torch.linspace(0, 1, 5, dtype=torch.float64)
    found = variable_projection(
        lambda: torch.exp(-rate * points).unsqueeze(0), [rate], torch.zeros(3, 5).double(), steps=9
    )
    assert_close(found, torch.zeros(3, 1).double(), rtol=0, atol=0)
    assert rate.item() == 2
