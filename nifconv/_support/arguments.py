"""Checks of user arguments; every message names argument, value, rule and remedy."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, fx, nn


def integer(name: str, value: object) -> int:
    """Returns `value` as a Python integer; NumPy integers and the symbolic ones of torch.export are accepted.

    Raises:
        TypeError: `value` is not an integer; `True` is refused, not read as 1.
    """
    # operator.index would replace the symbol by the number in the example, and fix it in the exported graph.
    if isinstance(value, torch.SymInt):
        return value  # type: ignore[return-value]
    if not isinstance(value, (bool, np.bool_)):  # bool is a subclass of int; "|" breaks the compiler of torch 2.8
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise TypeError(f"{name}={value!r} must be an integer, not {type(value).__name__}")


def positive_int(name: str, value: object) -> int:
    """Returns `value` if it is an integer of at least 1.

    Raises:
        TypeError: `value` is not an integer.
        ValueError: `value` is below 1.
    """
    return _int_at_least(name, value, 1)


def ints_per_axis(name: str, value: int | Sequence[int], ndim: int, *, minimum: int = 1) -> tuple[int, ...]:
    """Returns one integer for each of `ndim` spatial axes; a single integer stands for all of them.

    Raises:
        TypeError: an entry is not an integer.
        ValueError: an entry is below `minimum`, or their number is not `ndim`.
    """
    if _is_sequence(value):
        if len(value) != ndim:
            raise ValueError(
                f"{name}={tuple(value)} has {len(value)} entries, but there are {ndim} spatial axes; "
                f"give one integer, or {ndim} of them"
            )
        return tuple(_int_at_least(name, entry, minimum) for entry in value)
    return (_int_at_least(name, value, minimum),) * ndim


def map_size(name: str, value: Sequence[int]) -> tuple[int, ...]:
    """Returns a spatial size with one positive integer per axis.

    Raises:
        TypeError: `value` is not a sequence, or an entry is not an integer.
        ValueError: it is empty, or an entry is below 1.
    """
    if not _is_sequence(value):
        raise TypeError(f"{name}={value!r} must hold one integer for each spatial axis, such as (28, 28) or (100,)")
    if len(value) == 0:
        raise ValueError(f"{name}={value!r} has no spatial axis; give one integer for each, such as (28, 28)")
    return ints_per_axis(name, value, len(value))


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
    # numbers.Real rather than float: integers, fractions and numpy's numbers of any width are welcome.
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} must be a number above 0, not {type(value).__name__}")
    if not 0 < value < math.inf:  # written so that NaN, for which every comparison is false, is refused
        raise ValueError(f"{name}={value} must be a finite number above 0")
    return float(value)


def fraction(name: str, value: float) -> float:
    """Returns `value` if it is a number of at least 0 and below 1.

    Raises:
        TypeError: `value` is not a real number.
        ValueError: `value` is out of range or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} must be a number of at least 0 and below 1, not {type(value).__name__}")
    if not 0 <= value < 1:
        raise ValueError(f"{name}={value} must be at least 0 and below 1, such as 0.01 for one per cent")
    return float(value)


def unit_share(share: float) -> float:
    """Returns `share` if it is above 0 and at most 1.

    Raises:
        TypeError: it is not a real number.
        ValueError: it is out of range.
    """
    if positive_float("share", share) > 1:
        raise ValueError(f"share={share} must be above 0 and at most 1, such as 0.9 for 90 %")
    return float(share)


def groups_of(groups: object, in_channels: int, out_channels: int) -> int:
    """Returns `groups` if it divides both channel counts.

    Raises:
        TypeError: `groups` is not an integer.
        ValueError: `groups` is below 1 or does not divide a channel count.
    """
    groups = positive_int("groups", groups)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            common = math.gcd(in_channels, out_channels)
            # Only the smallest divisors are listed, so the search need not go through thousands of channels.
            legal = [str(g) for g in range(1, min(common, 1024) + 1) if common % g == 0]
            listed = ", ".join(legal if len(legal) < 9 else [*legal[:6], "..", str(common)])
            raise ValueError(f"groups={groups} must divide {name}={channels}; use one of {listed}")
    return groups


def torch_module(name: str, value: object) -> nn.Module:
    """Returns `value` if it is a module.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, nn.Module):
        raise TypeError(f"{name} must be a torch.nn.Module, not {type(value).__name__}")
    return value


def real_floating(name: str, tensor: Tensor) -> Tensor:
    """Returns `tensor` if it is real and of a floating dtype.

    Raises:
        TypeError: it is an integer, boolean or complex tensor, which is neither a signal nor taps here.
    """
    if not _tensor(name, tensor).is_floating_point():
        remedy = "convolve its real and imaginary parts separately" if tensor.is_complex() else "call .float() on it"
        raise TypeError(f"{name} has dtype {tensor.dtype}, but must be real and floating; {remedy}")
    return tensor


def complex_spectrum(spectrum: Tensor) -> Tensor:
    """Returns `spectrum` if it is complex.

    Raises:
        TypeError: it is not.
    """
    if not _tensor("spectrum", spectrum).is_complex():
        raise TypeError(f"spectrum has dtype {spectrum.dtype}, but must be complex; see torch.view_as_complex")
    return spectrum


def at_least_single(*dtypes: torch.dtype) -> torch.dtype:
    """The widest of the given dtypes, and never below float32: the precision of every transform here."""
    widest = torch.float32  # half precision has no FFT on the CPU, and too few digits for sums over a map
    for dtype in dtypes:
        widest = torch.promote_types(widest, dtype)
    return widest


def map_size_of(x: Tensor, ndim: int) -> tuple[int, ...]:
    """The spatial size of `x`, its last `ndim` axes.

    Raises:
        ValueError: the map is empty and has no spectrum.
    """
    size = tuple(x.shape[-ndim:])
    if torch.jit.is_tracing():
        size = tuple(map(int, size))  # a traced size is a tensor, which no transform takes: the trace is for this size
    if min(size) < 1:
        raise ValueError(f"x has a map of size {size}; every spatial axis needs at least 1 pixel")
    return size


def _tensor(name: str, value: object) -> Tensor:
    if isinstance(value, fx.Proxy):
        raise TypeError(
            f"{name} is a Proxy: torch.fx cannot trace into this layer; make it a leaf, as in create_feature_extractor("
            "model, nodes, tracer_kwargs={'leaf_modules': [FrequencyConv2d, LCConv2d]})"
        )
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, not {type(value).__name__}")
    return value


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    is_array = isinstance(value, np.ndarray) and value.ndim > 0  # an array without axes is a number and has no len()
    return is_array or (isinstance(value, Sequence) and not isinstance(value, str))  # "same" is one word, not 4 entries


def _int_at_least(name: str, value: object, minimum: int) -> int:
    number = integer(name, value)
    # A symbolic size is always positive; comparing it would tie the exported graph to the range of the example.
    if not isinstance(number, torch.SymInt) and number < minimum:
        raise ValueError(f"{name}={value} must be at least {minimum}")
    return number
