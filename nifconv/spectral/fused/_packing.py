r"""The real DFT on exactly n slots per axis, and half spectra packed so that they multiply such a transform.

**Slots.** An axis of n pixels has h = ceil(n / 2) pairs of slots (cosine, sine), rows of the matrix R with

    C[k, j] = cos(2 pi k j / n),    S[k, j] = sin(2 pi k j / n),    0 <= k < h.

The sine of k = 0 vanishes; for even n its slot holds Nyquist, (-1)^j, and for odd n it stays empty. The rows are
orthogonal, so x = R^T W R x with the weights W: 1 / n at k = 0, else 2 / n. R is kept free of them since constants and
alternations, by far the largest slots of many maps, are then exact in every number format; the weights are in K.

**Product.** On a map X both axes give four numbers cc, cs, sc, ss for each (k, l), the first letter for rows. The
DFT has X(k, l) = (cc - ss) - i (cs + sc) and X(-k, l) = (cc + ss) - i (cs - sc). Let A + E j be the
bicomplex number (i and j commute, i^2 = j^2 = -1) with

    A = (H(k, l) + H(-k, l)) / 2,    E = i (H(k, l) - H(-k, l)) / 2.

Multiplying both bins by H is then one product of bicomplex numbers, with real coefficients alone:

    cc' = Re A cc + Im A cs - Re E sc - Im E ss        cs' = Re A cs - Im A cc + Im E sc - Re E ss
    sc' = Re A sc + Im A ss + Re E cc + Im E cs        ss' = Re A ss - Im A sc + Re E cs - Im E cc

Coefficient 2 a + b (Re A, Im A, Re E, Im E) has a bit for each axis, as the slots have. At k = 0 a row has no mirror,
and its two slots are two frequencies, 0 and Nyquist, each with a factor of its own: bit a then means "at Nyquist".
Likewise bit b at l = 0, where E is what a real map keeps of an arbitrary H. So nothing is lost and nothing is twice.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from nifconv import frequency

# Coefficients Re A, Im A, Re E, Im E: which part of H they combine, and the factors of H(k, l) and H(-k, l).
_PART = (0, 1, 1, 0)
_FACTORS = ((0.5, 0.5, -0.5, 0.5), (0.5, 0.5, 0.5, -0.5))


def pairs_of_slots(n: int) -> int:
    """How many pairs (cosine, sine) an axis of n pixels has."""
    return (n + 1) // 2


@functools.lru_cache(maxsize=256)
def real_dft(n: int) -> Tensor:
    """Cosines and sines of an axis, float64, `(2, pairs_of_slots(n), n)`; see the head of this file."""
    k = torch.arange(pairs_of_slots(n), dtype=torch.float64)[:, None]
    j = torch.arange(n, dtype=torch.float64)
    angles = (k * j % n) * (2 * math.pi / n)  # reduced while it is an exact integer
    cosines, sines = angles.cos(), angles.sin()
    if n % 2 == 0:
        sines[0] = 1 - 2 * (j % 2)
    return torch.stack([cosines, sines])


def weights(n: int) -> Tensor:
    """How much a pair of slots counts in the inverse transform, float64, `(pairs_of_slots(n),)`."""
    weight = torch.full((pairs_of_slots(n),), 2 / n, dtype=torch.float64)
    weight[0] = 1 / n
    return weight


def pack(pairs: Tensor, size: tuple[int, int]) -> Tensor:
    """The four coefficients of every pair of slots, with its weights: a linear map that autograd can follow.

    Args:
        pairs: real and imaginary parts of half spectra, `(..., *half_shape(size), 2)`.
        size: pixels of the map, even or odd.

    Returns:
        `(..., 4, pairs_of_slots(rows), pairs_of_slots(columns))`, in the dtype of `pairs`.
    """
    packed = _gather(pairs.flatten(-3), _tables(size, pairs.dtype, pairs.device)[0])
    return packed.unflatten(-1, (4, *map(pairs_of_slots, size)))


def pack_adjoint(coefficients: Tensor, size: tuple[int, int]) -> Tensor:
    """The gradient with respect to `pairs` from that of `pack(pairs, size)`, without autograd, in a fixed order."""
    spread = _gather(coefficients.flatten(-3), _tables(size, coefficients.dtype, coefficients.device)[1])
    return spread.unflatten(-1, (*frequency.half_shape(size), 2))


def _gather(values: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    index, factor = table
    return values[..., index[0]] * factor[0] + values[..., index[1]] * factor[1]


@functools.lru_cache(maxsize=64)
def _tables(
    size: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The two entries that each result of `pack`, and of its adjoint, combines, with their factors: (2, results)."""
    index, factor = _packing(size)
    transposed = _transpose(index, factor, 2 * math.prod(frequency.half_shape(size)))
    place = functools.partial(torch.Tensor.to, device=device)
    return (place(index), place(factor).to(dtype)), (place(transposed[0]), place(transposed[1]).to(dtype))


def _packing(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    rows, columns = size
    # The bits of the four coefficients: a for the axis of rows, b for that of columns.
    a = torch.tensor([0, 0, 1, 1])[:, None, None]
    b = torch.tensor([0, 1, 0, 1])[:, None, None]
    k = torch.arange(pairs_of_slots(rows))[:, None]
    l = torch.arange(pairs_of_slots(columns))  # noqa: E741 - as in the formulas
    at_row, at_column = a * (k == 0), b * (l == 0)
    empty = at_row * (rows % 2) + at_column * (columns % 2) > 0
    coefficient = 2 * (a - at_row) + (b - at_column)  # (4, pairs of rows, pairs of columns)
    row, column = k + at_row * (rows // 2), l + at_column * (columns // 2)
    part = torch.tensor(_PART)[coefficient]
    at = [((r % rows) * (columns // 2 + 1) + column) * 2 + part for r in (row, -row)]
    factor = torch.tensor(_FACTORS, dtype=torch.float64)[:, coefficient].masked_fill(empty, 0)
    factor *= weights(rows)[:, None] * weights(columns)
    index = torch.stack(torch.broadcast_tensors(*at)).masked_fill(empty, 0)
    return index.flatten(1), factor.flatten(1)


def _transpose(index: Tensor, factor: Tensor, entries: int) -> tuple[Tensor, Tensor]:
    """The table of the adjoint: no entry of a half spectrum is in more than two coefficients."""
    used = factor.flatten().nonzero().squeeze(1)
    entry, order = index.flatten()[used].sort(stable=True)
    used = used[order]
    # 1 at the second use of an entry, which the sort has put right after the first.
    second = torch.zeros_like(entry)
    second[1:] = entry[1:] == entry[:-1]
    result, weight = torch.zeros(2, entries, dtype=torch.int64), torch.zeros(2, entries, dtype=torch.float64)
    result[second, entry] = used % index.shape[1]
    weight[second, entry] = factor.flatten()[used]
    return result, weight
