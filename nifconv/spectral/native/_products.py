"""Depthwise products of spectra and their gradients by the native engine; the contract of `spectral._products`."""

from __future__ import annotations

import ctypes
import math

import torch
from torch import Tensor

from nifconv._support.arguments import at_least_single
from nifconv.spectral._products import empty_output
from nifconv.spectral._transforms import Placement
from nifconv.spectral.native._library import Dense, Map, Problem, engine

_TYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
# The engine without torch's threads against torch.fft with them: it does the work of about this many.
_WORTH_OF_ONE_THREAD = 3
LARGEST_NDIM = 2
"""Number of spatial axes that the engine knows."""
# Longer lines, one in each lane of a vector, leave the cache.
_LONGEST_AXIS = 1 << 13
# Empty lanes of a vector cost nothing on small maps, where torch.fft spends its time on bookkeeping. On larger ones the
# engine wins from about one plane for so many grid positions, and where vectors are full on all.
_POSITIONS_PER_PLANE = 3200
_FULL_VECTOR = 16


def supports(x: Tensor, spectrum: Tensor, source: Placement) -> bool:
    """Whether `forward` and `gradients` compute this: on a CPU, depthwise, signals and maps, and the engine is here."""
    planes = x.shape[0] * x.shape[1]
    fills_lanes = len(x) == 0 or planes >= min(math.prod(source.size) / _POSITIONS_PER_PLANE, _FULL_VECTOR)
    return can_run(x, spectrum, source) and fills_lanes and spectrum.shape[1] == 1


def can_run(x: Tensor, spectrum: Tensor, source: Placement) -> bool:
    """Whether the engine is here, and knows these tensors and this grid."""
    found = engine()
    if found is None or not (found.threaded or torch.get_num_threads() <= _WORTH_OF_ONE_THREAD):
        return False
    known = x.dtype in _TYPES and spectrum.dtype in _TYPES and x.device.type == "cpu" == spectrum.device.type
    return known and len(source.size) <= LARGEST_NDIM and max(source.size) <= _LONGEST_AXIS


def forward(x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement) -> Tensor:
    """See `spectral._products.forward`; for what `supports` says yes to."""
    dtype, wide = x.dtype, at_least_single(x.dtype, spectrum.dtype)
    x = readable(x, wide)
    y = empty_output(x, len(spectrum), target.shape)
    if y.numel():
        pairs = spectrum.to(wide).contiguous()
        call("nifconv_product", _problem(x, pairs, groups, source), as_map(x, source), pairs, as_map(y, target))
    return y.to(dtype)


def gradients(
    x: Tensor,
    spectrum: Tensor,
    grad: Tensor,
    groups: int,
    source: Placement,
    target: Placement,
    wants_x: bool,
    wants_spectrum: bool,
) -> tuple[Tensor, Tensor]:
    """See `spectral._products.gradients`; for what `supports` says yes to."""
    dtype, wide = x.dtype, at_least_single(x.dtype, spectrum.dtype)
    x, grad, pairs = readable(x, wide), readable(grad, wide), spectrum.to(wide).contiguous()
    dx = empty_output(x, x.shape[1], source.shape) if wants_x else x.new_empty(0)
    dh = torch.zeros_like(pairs) if wants_spectrum else pairs.new_empty(0)
    if x.numel() and grad.numel() and (wants_x or wants_spectrum):
        call(
            "nifconv_gradients",
            _problem(x, pairs, groups, source),
            as_map(x, source),
            pairs,
            as_map(grad, target),
            as_map(dx, source) if wants_x else None,
            dh if wants_spectrum else None,
        )
    return dx.to(dtype), dh.to(spectrum.dtype)


def readable(x: Tensor, wide: torch.dtype) -> Tensor:
    """The map as the engine reads it: of any dtype if it computes in float32, of float64 if in that."""
    x = x.resolve_neg()  # the memory of a lazily negated tensor holds the values before the negation
    return x.double() if wide == torch.float64 else x


def _problem(x: Tensor, pairs: Tensor, groups: int, source: Placement) -> Problem:
    return Problem(len(x), groups, len(pairs) // groups, (1, *source.size)[-2:], pairs.dtype == torch.float64)


def as_map(x: Tensor, placement: Placement) -> Map:
    """Where the pixels lie in memory and on the grid; a signal is a map of height 1."""
    batch, channels, *pixels = x.stride()
    # Of two axes the last two entries are their own; of one they are a 1, or a stride of 0, and its own.
    shape, step = (1, *placement.shape)[-2:], (1, *placement.step)[-2:]
    return Map(x.data_ptr(), (batch, channels, *(0, *pixels)[-2:]), shape, step, _TYPES[x.dtype])


Argument = Map | Problem | Dense | Tensor | ctypes._SimpleCData | None


def call(function: str, *arguments: Argument) -> None:
    found = engine()
    assert found is not None  # noqa: S101 - what supports() has promised
    status = getattr(found.library, function)(*(_pointer(argument) for argument in arguments))
    if status:
        raise MemoryError(f"{function} found no memory for its workspace; use a smaller map or fewer threads")


def _pointer(argument: Argument) -> object:
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    return ctypes.byref(argument) if isinstance(argument, ctypes.Structure) else argument
