"""The one table of tolerances. Relative to the largest entry, since an FFT spreads rounding over the whole map."""

import torch
from torch import Tensor
from torch.testing import assert_close

RELATIVE = {
    torch.float64: 1e-11,
    torch.float32: 2e-5,
    torch.float16: 2e-3,
    torch.bfloat16: 1.6e-2,
}


def assert_near(actual: Tensor, expected: Tensor, *, dtype: torch.dtype | None = None) -> None:
    """Values agree to the precision of `dtype`, by default that of `actual`; shapes agree exactly."""
    assert actual.shape == expected.shape
    precision = RELATIVE[dtype or (actual.real.dtype if actual.is_complex() else actual.dtype)]
    wide = torch.complex128 if actual.is_complex() or expected.is_complex() else torch.float64
    scale = max(expected.abs().max().item(), 1e-30) if expected.numel() else 1.0
    assert_close(actual.to(wide), expected.to(wide), rtol=0, atol=precision * scale)
