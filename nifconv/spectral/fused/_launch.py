"""The fused kernels as functions of tensors, with the contract of the products by torch.fft."""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import torch
from torch import Tensor

from nifconv.spectral._products import empty_output
from nifconv.spectral._transforms import Placement
from nifconv.spectral.fused._packed import PackedSpectra
from nifconv.spectral.fused._packing import pack_adjoint, pairs_of_slots, real_dft
from nifconv.spectral.fused._plans import Plan, architecture, plan

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# Programs for each processor of the GPU: enough that the last ones to finish do not leave it idle for long.
_PROGRAMS_PER_PROCESSOR = 8
# Pixels of all channels of a sample: within one, the kernels count in 32 bits.
_LARGEST_SAMPLE = 2**30
# Options that the compiler would otherwise choose by its version.
_OPTIONS = {"enable_fp_fusion": True}
_packed = PackedSpectra()


def supports(
    x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement, *, gradients: bool = False
) -> bool:
    """Whether `forward`, or `gradients`, can compute this: depthwise, stride 1, on 2-d grids of 4 to 112 pixels.

    Says nothing of whether the device computes it correctly, or faster than torch.fft.
    """
    return (
        x.device.type == "cuda"
        and x.dim() == 4
        and x.numel() > 0
        and spectrum.shape[1] == 1
        and groups == x.shape[1]
        and x.dtype in _DTYPES
        and spectrum.dtype in _DTYPES
        and max(source.step + target.step) == 1
        and len(spectrum) * math.prod(source.size) < _LARGEST_SAMPLE
        and _plan(x, source, gradients=gradients) is not None
        and not absence()
    )


@functools.cache
def absence() -> str:
    """Why no fused kernel can run on this machine; empty where they can."""
    if not torch.cuda.is_available():
        return "torch sees no GPU"
    try:
        importlib.import_module("triton")
    except Exception as error:  # a broken installation may raise anything
        return f"triton, which compiles the kernels, cannot be imported ({type(error).__name__}: {error})"
    return ""


def forward(x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement) -> Tensor:
    """Y[o](f) = H[o](f) X[i](f) with i the input channel of o, back in space.

    Args:
        x: real, `(batch, channels, *source.shape)`, in any layout.
        spectrum: pairs (real, imaginary), `(out_channels, 1, *half_shape(size), 2)`.
        groups: number of channels.
        source, target: where the pixels of x and y lie on the grid.

    Returns:
        `(batch, out_channels, *target.shape)`, in the dtype and memory format of x.
    """
    return _forward(x, spectrum, groups, source, target, x.dtype)


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
    """The gradients of `forward` with respect to x and the spectrum; one that is not wanted is empty."""
    multiplier = len(spectrum) // groups
    # Several filters of one channel are added up before they are rounded.
    dtype = x.dtype if multiplier == 1 else torch.float32
    if wants_spectrum:
        dx, dh = _gradients(x, spectrum, grad, source, target, dtype, wants_x)
    else:
        # Without dH the gradient is itself a product, with conj(H), from the pixels of y to those of x.
        conjugate = torch.cat([spectrum[..., :1], -spectrum[..., 1:]], dim=-1)
        dx, dh = _forward(grad.to(x.dtype), conjugate, len(spectrum), target, source, dtype), spectrum.new_empty(0)
    if not wants_x:
        return x.new_empty(0), dh
    result = empty_output(x, x.shape[1], source.shape)
    return result.copy_(dx if multiplier == 1 else dx.unflatten(1, (-1, multiplier)).sum(2)), dh


def _forward(
    x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement, dtype: torch.dtype
) -> Tensor:
    from nifconv.spectral.fused import _kernels

    chosen = _plan_of(x, source, gradients=False)
    y = empty_output(x, len(spectrum), target.shape).to(dtype)
    last = _is_channels_last(y)
    grid, steps = _grid(len(x), len(spectrum), chosen, x.device)
    with torch.cuda.device_of(x):
        _kernels.product[grid](
            _laid_out(x, last),
            y,
            *_matrices(_two(source.size), chosen.tile, x.device),
            _packed(spectrum, _two(source.size)),
            len(x),
            groups,
            steps,
            **constants(x, source, target, len(spectrum) // groups, last, chosen),
        )
    return y


def _gradients(
    x: Tensor,
    spectrum: Tensor,
    grad: Tensor,
    source: Placement,
    target: Placement,
    dtype: torch.dtype,
    wants_x: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients with respect to x, for each filter apart, and to the spectrum."""
    from nifconv.spectral.fused import _kernels

    size = _two(source.size)
    chosen = _plan_of(x, source, gradients=True)
    dx = empty_output(x, len(spectrum) if wants_x else 0, source.shape).to(dtype)
    last = _is_channels_last(empty_output(x, len(spectrum), source.shape))
    grid, steps = _grid(len(x), len(spectrum), chosen, x.device)
    slots = [pairs_of_slots(n) for n in size]
    partial = torch.empty(grid[1], len(spectrum), 4, *slots, dtype=torch.float32, device=x.device)
    with torch.cuda.device_of(x):
        _kernels.gradients[grid](
            _laid_out(x, last),
            _laid_out(grad.to(x.dtype), last),
            dx,
            partial,
            *_matrices(size, chosen.tile, x.device),
            _packed(spectrum, size),
            len(x),
            x.shape[1],
            steps,
            **constants(x, source, target, len(spectrum) // x.shape[1], last, chosen),
            WANTS_X=wants_x,
        )
    return dx, pack_adjoint(partial.sum(0), size).unsqueeze(1).to(spectrum.dtype)


def _plan(x: Tensor, source: Placement, *, gradients: bool) -> Plan | None:
    # On a CPU kernels run in Triton's interpreter alone, as the device with the largest plans would run them.
    name = architecture(x.device) if x.is_cuda else "sm_90"
    return plan(_two(source.size), x.dtype, name, gradients=gradients)


def _plan_of(x: Tensor, source: Placement, *, gradients: bool) -> Plan:
    chosen = _plan(x, source, gradients=gradients)
    if chosen is None:
        raise ValueError(
            f"no fused kernel for maps of size={source.size} in {x.dtype}; ask `supports` first, or use torch.fft"
        )
    return chosen


def constants(
    x: Tensor, source: Placement, target: Placement, multiplier: int, last: bool, chosen: Plan
) -> dict[str, Any]:
    """The constants that the kernels are compiled for."""
    return {
        **dict(zip(("M", "N"), source.size, strict=True)),
        **dict(zip(("XM", "XN"), source.shape, strict=True)),
        **dict(zip(("YM", "YN"), target.shape, strict=True)),
        **dict(zip(("MT", "NT"), chosen.tile, strict=True)),
        # Slots are sums over pixels; a power of two near the root of their number brings them back into fp16's range.
        "SHRINK": 2.0 ** -(math.prod(source.size).bit_length() // 2),
        "MULTIPLIER": multiplier,
        "LAST": last,
        "EXACT": x.dtype == torch.float32,
        "PLANES": chosen.planes,
        "FLAT": chosen.flat,
        "num_warps": chosen.warps,
        "num_stages": chosen.stages,
        **_OPTIONS,
    }


def _grid(batch: int, out_channels: int, chosen: Plan, device: torch.device) -> tuple[tuple[int, int], int]:
    """Programs for (output channels, shares of the batch), and how often each loops over `planes` samples."""
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    loops = -(-batch // chosen.planes)
    # As many shares as keep all processors busy, then as even as whole loops allow.
    shares = min(loops, -(-_PROGRAMS_PER_PROCESSOR * processors // out_channels))
    steps = -(-loops // shares)
    return (out_channels, -(-loops // steps)), steps


@functools.lru_cache(maxsize=64)
def _matrices(size: tuple[int, int], tile: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """The transforms of rows and columns, (2, slots, pixels) of the tile: fp16, and what that leaves of float64."""
    # Row slots in blocks of eight cosines and eight sines; column slots cosine, sine, cosine, ...
    rows, columns = torch.zeros(tile[0] // 16, 2, 8, tile[0]).double(), torch.zeros(tile[1] // 2, 2, tile[1]).double()
    for kind in (0, 1):
        by_pair = rows.new_zeros(tile[0] // 2, tile[0])
        by_pair[: pairs_of_slots(size[0]), : size[0]] = real_dft(size[0])[kind]
        rows[:, kind] = by_pair.unflatten(0, (-1, 8))
        columns[: pairs_of_slots(size[1]), kind, : size[1]] = real_dft(size[1])[kind]
    return _split(rows.flatten(0, 2)).to(device), _split(columns.flatten(0, 1)).to(device)


def _split(matrix: Tensor) -> Tensor:
    high = matrix.half()
    return torch.stack([high, (matrix - high.double()).half()])


def _laid_out(x: Tensor, last: bool) -> Tensor:
    """`x` as the kernels read it: one of two layouts without gaps, at an address they load vectors from."""
    layout = torch.channels_last if last else torch.contiguous_format
    x = x.contiguous(memory_format=layout)
    return x.clone(memory_format=layout) if x.data_ptr() % 16 else x


def _is_channels_last(x: Tensor) -> bool:
    return not x.is_contiguous()


def _two(size: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = size
    return rows, columns
