"""Reading of user arguments; every message names argument, value, rule and remedy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def positive_int(name: str, value: object) -> int:
    """Returns `value` if it is an integer of at least 1.

    Raises:
        TypeError: `value` is not an integer (`True` counts as a mistake, not as 1).
        ValueError: `value` is below 1.
    """
    return _int_at_least(name, value, 1)


def ints_per_axis(name: str, value: int | Sequence[int], ndim: int, *, minimum: int = 1) -> tuple[int, ...]:
    """Returns one integer for each of `ndim` spatial axes; a single integer stands for all of them.

    Raises:
        TypeError: an entry is not an integer.
        ValueError: an entry is below `minimum`, or their number is not `ndim`.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != ndim:
            raise ValueError(
                f"{name}={tuple(value)} has {len(value)} entries, but there are {ndim} spatial axes; "
                f"give one integer, or {ndim} of them"
            )
        return tuple(_int_at_least(name, entry, minimum) for entry in value)
    return (_int_at_least(name, value, minimum),) * ndim


def choice(name: str, value: str, legal: Sequence[str]) -> str:
    """Returns `value` if it is one of the `legal` words.

    Raises:
        ValueError: it is not.
    """
    if value not in legal:
        raise ValueError(f"{name}={value!r} is unknown; use one of {', '.join(map(repr, legal))}")
    return value


def positive_float(name: str, value: float) -> float:
    """Returns `value` if it is a finite number above 0.

    Raises:
        TypeError: `value` is not a real number.
        ValueError: `value` is zero, negative, infinite or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}={value!r} must be a number above 0, not {type(value).__name__}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value} must be a finite number above 0")
    return float(value)


def groups_of(groups: object, in_channels: int, out_channels: int) -> int:
    """Returns `groups` if it divides both channel counts.

    Raises:
        TypeError: `groups` is not an integer.
        ValueError: `groups` is below 1 or does not divide a channel count.
    """
    groups = _int_at_least("groups", groups, 1)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            common = math.gcd(in_channels, out_channels)
            legal = ", ".join(str(g) for g in range(1, common + 1) if common % g == 0)
            raise ValueError(f"groups={groups} must divide {name}={channels}; use one of {legal}")
    return groups


def real_floating(name: str, tensor: Tensor) -> Tensor:
    """Returns `tensor` if it is real and of a floating dtype.

    Raises:
        TypeError: integer, boolean and complex tensors have no meaning as a signal or as taps here.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, not {type(tensor).__name__}")
    if not tensor.is_floating_point():
        remedy = "convolve its real and imaginary parts separately" if tensor.is_complex() else "call .float() on it"
        raise TypeError(f"{name} has dtype {tensor.dtype}, but must be real and floating; {remedy}")
    return tensor


def at_least_single(*dtypes: torch.dtype) -> torch.dtype:
    """The widest of the given dtypes, and never below float32: the precision of every transform here."""
    widest = torch.float32
    for dtype in dtypes:
        widest = torch.promote_types(widest, dtype)
    return widest


def _int_at_least(name: str, value: object, minimum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r} must be an integer, not {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name}={value} must be at least {minimum}")
    return int(value)
