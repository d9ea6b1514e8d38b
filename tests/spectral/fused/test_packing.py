"""The packed transform against torch.fft, in float64."""

import math

import pytest
import torch
from torch import Tensor

from nifconv import frequency
from nifconv.spectral.fused import _packing

SIZES = [(1, 1), (2, 2), (1, 4), (4, 3), (3, 4), (7, 7), (14, 14), (15, 28), (32, 9), (56, 30)]


def _algebra(n: int, sign: int) -> Tensor:
    """(pairs of slots, result, coefficient, slot): complex numbers, and at frequency 0 two numbers apart."""
    table = torch.zeros(math.ceil(n / 2), 2, 2, 2, dtype=torch.float64)
    table[1:, 0, 0, 0] = table[1:, 1, 0, 1] = 1
    table[1:, 0, 1, 1], table[1:, 1, 1, 0] = sign, -sign
    table[0, 0, 0, 0] = table[0, 1, 1, 1] = 1
    return table


def _product(x: Tensor, coefficients: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = (_packing.real_dft(n) for n in size)
    slots = torch.einsum("akm,...mn,bln->...abkl", rows, x, columns)
    tables = _algebra(size[0], -1), _algebra(size[1], 1)
    slots = torch.einsum("kapc,lbqd,...pqkl,...cdkl->...abkl", *tables, coefficients.unflatten(-3, (2, 2)), slots)
    return torch.einsum("akm,...abkl,bln->...mn", rows, slots, columns)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 15, 112])
def test_the_transform_inverts_itself_on_n_slots(n: int) -> None:
    matrix, weights = _packing.real_dft(n), _packing.weights(n)
    torch.testing.assert_close(
        torch.einsum("akm,k,akn->mn", matrix, weights, matrix), torch.eye(n, dtype=torch.float64)
    )
    assert (matrix.flatten(0, 1).norm(dim=1) > 0.5).sum() == n


@pytest.mark.parametrize("size", SIZES)
def test_the_packed_product_is_that_of_the_spectra(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    spectrum = torch.randn(3, *frequency.half_shape(size), dtype=torch.complex128)
    packed = _packing.pack(torch.view_as_real(spectrum), size)
    assert packed.shape == (3, 4, *(math.ceil(n / 2) for n in size))
    torch.testing.assert_close(_product(x, packed, size), torch.fft.irfft2(spectrum * torch.fft.rfft2(x), s=size))


@pytest.mark.parametrize("size", SIZES)
def test_the_gradient_goes_back_through_the_packing(size: tuple[int, int]) -> None:
    x, dy = torch.randn(2, 2, 3, *size, dtype=torch.float64)
    pairs = torch.randn(3, *frequency.half_shape(size), 2, dtype=torch.float64, requires_grad=True)
    y = torch.fft.irfft2(torch.view_as_complex(pairs) * torch.fft.rfft2(x), s=size)
    (expected,) = torch.autograd.grad(y, pairs, dy)
    packed = _packing.pack(pairs, size)
    (by_packed,) = torch.autograd.grad(_product(x, packed, size), packed, dy)
    (by_pairs,) = torch.autograd.grad(packed, pairs, by_packed)
    torch.testing.assert_close(by_pairs, expected)
    torch.testing.assert_close(_packing.pack_adjoint(by_packed, size), by_pairs)
