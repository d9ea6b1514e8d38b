"""Derivatives of the registered operator: of any order, in both modes, and under the transformations of torch.func."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nifconv.spectral import _operator
from tests.spectral.operands import arguments, learned
from tests.tolerances import assert_near

# PyTorch scripts its own decompositions when forward mode is first used, and warns about that.
forward_mode = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


def test_second_derivatives(case: str) -> None:
    x, spectrum, *geometry = learned(case)

    def apply(x: Tensor, spectrum: Tensor) -> Tensor:
        return _operator.apply(x, spectrum, *geometry)

    assert torch.autograd.gradcheck(apply, (x, spectrum), fast_mode=True)
    assert torch.autograd.gradgradcheck(apply, (x, spectrum), fast_mode=True)


@pytest.mark.parametrize("wanted", [0, 1])
def test_derivatives_by_one_operand_alone(case: str, wanted: int) -> None:
    operands = list(arguments(case))
    operands[wanted].requires_grad_()

    def apply(operand: Tensor) -> Tensor:
        return _operator.apply(*operands[:wanted], operand, *operands[wanted + 1 :])

    assert torch.autograd.gradcheck(apply, (operands[wanted],), fast_mode=True)
    assert torch.autograd.gradgradcheck(apply, (operands[wanted],), fast_mode=True)


@pytest.mark.parametrize("dims", [(0, None), (None, 0), (1, 2)])
def test_transformations_of_torch_func(case: str, dims: tuple[int | None, int | None]) -> None:
    operands = arguments(case)
    geometry = operands[2:]
    stacks = [
        torch.stack([t, 2 * t, -t.roll(1)], dim) if dim is not None else t
        for t, dim in zip(operands[:2], dims, strict=True)
    ]

    def apply(x: Tensor, spectrum: Tensor) -> Tensor:
        return _operator.apply(x, spectrum, *geometry)

    def gradients(x: Tensor, spectrum: Tensor) -> Any:
        return torch.func.grad(lambda *both: apply(*both).square().sum(), argnums=(0, 1))(x, spectrum)

    def one_by_one(function: Any) -> Any:
        rows = [[t if d is None else t.select(d, i) for t, d in zip(stacks, dims, strict=True)] for i in range(3)]
        return [function(*row) for row in rows]

    assert_near(torch.vmap(apply, dims)(*stacks), torch.stack(one_by_one(apply)))
    for ours, theirs in zip(
        torch.vmap(gradients, dims)(*stacks), zip(*one_by_one(gradients), strict=True), strict=True
    ):
        assert_near(ours, torch.stack(theirs))


@forward_mode
def test_forward_mode(case: str) -> None:
    x, spectrum, *geometry = arguments(case)
    tangents = torch.randn_like(x), torch.randn_like(spectrum)

    def apply(x: Tensor, spectrum: Tensor) -> Tensor:
        return _operator.apply(x, spectrum, *geometry)

    expected = apply(tangents[0], spectrum) + apply(x, tangents[1])
    assert_near(torch.func.jvp(apply, (x, spectrum), tangents)[1], expected)
    assert_near(torch.func.jvp(lambda x: apply(x, spectrum), (x,), tangents[:1])[1], apply(tangents[0], spectrum))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(spectrum, tangents[1])
        assert_near(torch.autograd.forward_ad.unpack_dual(apply(x, dual)).tangent, apply(x, tangents[1]))


@forward_mode
@pytest.mark.parametrize("wanted", [(0,), (1,), (0, 1)])
def test_second_derivatives_forward_over_reverse(case: str, wanted: tuple[int, ...]) -> None:
    x, spectrum, *geometry = arguments(case)

    def energy(x: Tensor, spectrum: Tensor) -> Tensor:
        return _operator.apply(x, spectrum, *geometry).square().sum()

    gradient = torch.func.grad(energy, argnums=wanted)
    tangents = torch.randn_like(x), torch.randn_like(spectrum)
    _, ours = torch.func.jvp(gradient, (x, spectrum), tangents)
    _, reverse = torch.autograd.functional.vhp(energy, (x, spectrum), tangents)
    for one, index in zip(ours, wanted, strict=True):
        assert_near(one, reverse[index])


def test_gradients_of_a_sum_arrive_without_strides(case: str) -> None:
    x, spectrum, *geometry = learned(case)
    y = _operator.apply(x, spectrum, *geometry)
    one = torch.autograd.grad(y.sum(), (x, spectrum), retain_graph=True)
    other = torch.autograd.grad(y, (x, spectrum), torch.ones_like(y))
    for ours, theirs in zip(one, other, strict=True):
        assert_near(ours, theirs)
