"""How many floating-point operations a product of spectra takes, for `torch.utils.flop_counter`.

Counted as in textbooks, whatever engine computes it. A transform of N real pixels takes 2.5 N log2 N operations, half
of the 5 N log2 N of a complex one of radix 2 (Cooley & Tukey 1965; Van Loan 1992, sec. 1.4), and a complex
multiplication and addition take 8. With a stride, transforms are counted on the whole grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_COMPLEX = 8
"""Operations of a complex multiplication, 6, and addition, 2."""


def forward(
    x_shape: Sequence[int],
    spectrum_shape: Sequence[int],
    groups: int,  # noqa: ARG001 - the signature of the operator
    method: str,  # noqa: ARG001 - likewise
    size: Sequence[int],
    *_: Any,
    **__: Any,
) -> int:
    """A transform of each input channel, products, and an inverse transform of each output channel."""
    batch, channels, filters = x_shape[0], x_shape[1], spectrum_shape[0]
    return batch * ((channels + filters) * _transform(size) + _products(spectrum_shape))


def gradients(
    x_shape: Sequence[int],
    spectrum_shape: Sequence[int],
    grad_shape: Sequence[int],  # noqa: ARG001 - likewise
    groups: int,  # noqa: ARG001 - the signature of the operator
    method: str,  # noqa: ARG001 - likewise
    size: Sequence[int],
    *rest: Any,
    **_: Any,
) -> int:
    """A transform of each output's gradient; products and a transform for each gradient that is wanted."""
    wants_x, wants_spectrum = rest[-2:]
    batch, channels, filters = x_shape[0], x_shape[1], spectrum_shape[0]
    # dX takes an inverse transform of each channel, and dH a transform of x, whose spectrum was not saved.
    wanted = bool(wants_x) + bool(wants_spectrum)
    return batch * ((filters + wanted * channels) * _transform(size) + wanted * _products(spectrum_shape))


def _transform(size: Sequence[int]) -> int:
    pixels = math.prod(size)
    return round(2.5 * pixels * math.log2(pixels))


def _products(spectrum_shape: Sequence[int]) -> int:
    """Of one sample: each kernel once at each bin; the spectrum is `(out, in_per_group, *half, 2)`."""
    return _COMPLEX * math.prod(spectrum_shape[:-1])
