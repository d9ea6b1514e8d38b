"""The products of spectra and their gradients by torch.fft, without autograd, in chunks that fit into the cache."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from nifconv import frequency
from nifconv._support.arguments import at_least_single
from nifconv.spectral._transforms import Placement, multiplicity

# Real input of one chunk. Its spectrum, product and output then stay in the cache of a CPU core or two. A GPU is busy
# only with large chunks, so there the limit just bounds the workspace.
_CHUNK_BYTES = {"cpu": 2 << 20}
_CHUNK_BYTES_ELSEWHERE = 256 << 20
# Spectra of one chunk where channels are summed: matrix products want many samples, so this bounds the memory alone.
_DENSE_BYTES = {"cpu": 32 << 20}


def forward(x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement) -> Tensor:
    """Y[o](f) = sum_i H[o, i](f) X_i(f), transformed back to a map.

    Args:
        x: real, `(batch, in_channels, *source.shape)`.
        spectrum: pairs (real, imaginary), `(out_channels, in_channels // groups, *half_shape(size), 2)`.
        groups: number of channel groups.
        source, target: where the pixels of x and y lie on the grid.

    Returns:
        `(batch, out_channels, *target.shape)`, in the dtype and memory format of x.
    """
    wide = at_least_single(x.dtype, spectrum.dtype)
    kernel = _complex(spectrum, wide)
    y = empty_output(x, len(spectrum), target.shape)
    if kernel.shape[1] > 1:
        weights = _kernel_by_bin(kernel, groups)
        for samples in _batches(x, kernel, source):
            # (groups * bins, batch, in / groups) @ (groups * bins, in / groups, out / groups)
            mixed = torch.bmm(_by_bin(source.to_spectrum(x[samples].to(wide)), groups), weights)
            y[samples] = target.to_map(_by_channel(mixed, groups, source))
        return y
    multiplier = len(kernel) // groups
    for samples, channels in _chunks(x, multiplier, source):
        filters = slice(channels.start * multiplier, channels.stop * multiplier)
        transformed = source.to_spectrum(_chunk(x, samples, channels, wide))
        if multiplier == 1:
            response = transformed.mul_(kernel[filters, 0])  # in place: the spectrum of a chunk is needed once
        else:
            # (batch, channels, 1, *half) * (channels, multiplier, *half)
            response = (transformed.unsqueeze(2) * kernel[filters, 0].unflatten(0, (-1, multiplier))).flatten(1, 2)
        y[samples, filters] = target.to_map(response)
    return y


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
    """The gradients of `forward` with respect to x and the spectrum; one that is not wanted is empty.

    dX = conj(H) dY summed over output channels, dH = conj(X) dY summed over the batch, each bin weighted by its
    `multiplicity` in the inverse transform. dY is transformed once for both; X was not saved and is transformed again.
    """
    wide = at_least_single(x.dtype, spectrum.dtype)
    compute = _dense_gradients if spectrum.shape[1] > 1 else _depthwise_gradients
    dx, dh = compute(x, _complex(spectrum, wide), grad, groups, source, target, wants_x, wants_spectrum)
    if not wants_spectrum:
        return dx, spectrum.new_empty(0)
    dh = dh * multiplicity(source.size, wide, dh.device)
    return dx, torch.view_as_real(dh.contiguous()).to(spectrum.dtype)


def empty_output(x: Tensor, channels: int, shape: tuple[int, ...]) -> Tensor:
    """An empty output for the input x, with its dtype and memory format."""
    y = x.new_empty(x.shape[0], channels, *shape)
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.dim())
    # With one channel or one pixel x is contiguous in both formats; torch then takes it for the default one.
    if last is not None and x.is_contiguous(memory_format=last) and not x.is_contiguous():
        return y.contiguous(memory_format=last)
    return y


def _depthwise_gradients(
    x: Tensor,
    kernel: Tensor,
    grad: Tensor,
    groups: int,
    source: Placement,
    target: Placement,
    wants_x: bool,
    wants_spectrum: bool,
) -> tuple[Tensor, Tensor]:
    multiplier, wide = len(kernel) // groups, kernel.real.dtype
    dx = empty_output(x, x.shape[1], source.shape) if wants_x else x.new_empty(0)
    dh = torch.zeros_like(kernel) if wants_spectrum else kernel.new_empty(0)
    adjoint = kernel.conj_physical() if wants_x else kernel
    for samples, channels in _chunks(x, multiplier, source):
        filters = slice(channels.start * multiplier, channels.stop * multiplier)
        arriving = target.to_spectrum(_chunk(grad, samples, filters, wide))
        if wants_spectrum:
            # conj_physical: a lazy conjugate would be resolved in each of the operations that follow.
            transformed = source.to_spectrum(_chunk(x, samples, channels, wide)).conj_physical_()
            if multiplier == 1:
                dh[filters, 0] += transformed.mul_(arriving).sum(0)
            else:
                # (batch, channels, 1, *half) * (batch, channels, multiplier, *half), summed over the batch
                arriving_by_channel = arriving.unflatten(1, (-1, multiplier))
                dh[filters, 0] += (transformed.unsqueeze(2) * arriving_by_channel).sum(0).flatten(0, 1)
        if wants_x:
            leaving = arriving.mul_(adjoint[filters, 0])  # in place, after dH has read it
            if multiplier > 1:
                leaving = leaving.unflatten(1, (-1, multiplier)).sum(2)
            dx[samples, channels] = source.to_map(leaving)
    return dx, dh


def _dense_gradients(
    x: Tensor,
    kernel: Tensor,
    grad: Tensor,
    groups: int,
    source: Placement,
    target: Placement,
    wants_x: bool,
    wants_spectrum: bool,
) -> tuple[Tensor, Tensor]:
    wide = kernel.real.dtype
    dx = empty_output(x, x.shape[1], source.shape) if wants_x else x.new_empty(0)
    adjoint = _kernel_by_bin(kernel.conj_physical(), groups).mT if wants_x else kernel
    # dH by bin, (groups * bins, in / groups, out / groups): summed in place over the batch, permuted once at the end.
    shape = (groups * kernel[0, 0].numel(), x.shape[1] // groups, len(kernel) // groups)
    by_bin = kernel.new_zeros(shape) if wants_spectrum else None
    for samples in _batches(x, kernel, source):
        arriving = _by_bin(target.to_spectrum(grad[samples].to(wide)), groups)  # (groups * bins, batch, out / groups)
        if wants_x:
            leaving = torch.bmm(arriving, adjoint)
            dx[samples] = source.to_map(_by_channel(leaving, groups, source))
        if by_bin is not None:
            transformed = source.to_spectrum(x[samples].to(wide)).conj_physical_()
            by_bin.baddbmm_(_by_bin(transformed, groups).mT, arriving)
    if by_bin is None:
        return dx, kernel.new_empty(0)
    return dx, by_bin.unflatten(0, (groups, -1)).permute(0, 3, 2, 1).reshape(kernel.shape)


def _batches(x: Tensor, kernel: Tensor, source: Placement) -> Iterator[slice]:
    """Ranges of samples whose spectra take no more memory than those of the kernels, or than a fixed amount."""
    batch, channels = x.shape[:2]
    bins = math.prod(frequency.half_shape(source.size))
    # The spectra of x and of y are in memory together; the larger one sets the number of samples.
    sample = kernel.element_size() * bins * max(channels, len(kernel))  # bytes of the spectra of one sample
    room = max(kernel.element_size() * kernel.numel(), _DENSE_BYTES.get(x.device.type, _CHUNK_BYTES_ELSEWHERE))
    width = max(1, room // sample)
    for b in range(0, batch, width):
        yield slice(b, min(b + width, batch))


def _chunks(x: Tensor, multiplier: int, source: Placement) -> Iterator[tuple[slice, slice]]:
    """Ranges of samples and of input channels: all channels of several samples, or several channels of one."""
    batch, channels = x.shape[:2]
    wanted = _CHUNK_BYTES.get(x.device.type, _CHUNK_BYTES_ELSEWHERE)
    # Counted in float32 output planes: an input plane has `multiplier` of them.
    planes = max(1, wanted // (4 * multiplier * math.prod(source.size)))
    samples, width = (planes // channels, channels) if planes >= channels else (1, planes)
    for c in range(0, channels, width):
        for b in range(0, batch, samples):
            yield slice(b, min(b + samples, batch)), slice(c, min(c + width, channels))


def _chunk(x: Tensor, samples: slice, channels: slice, dtype: torch.dtype) -> Tensor:
    return x[samples, channels].to(dtype).contiguous()


def _complex(pairs: Tensor, real: torch.dtype) -> Tensor:
    return torch.view_as_complex(pairs.to(real).contiguous())


def _by_bin(spectrum: Tensor, groups: int) -> Tensor:
    """`(batch, groups * channels, *half)` -> `(groups * bins, batch, channels)`."""
    split = spectrum.flatten(2).unflatten(1, (groups, -1))
    return split.permute(1, 3, 0, 2).flatten(0, 1)


def _kernel_by_bin(kernel: Tensor, groups: int) -> Tensor:
    """`(groups * out, in, *half)` -> `(groups * bins, in, out)`."""
    split = kernel.flatten(2).unflatten(0, (groups, -1))
    return split.permute(0, 3, 2, 1).flatten(0, 1)


def _by_channel(mixed: Tensor, groups: int, source: Placement) -> Tensor:
    """The inverse of `_by_bin`."""
    channels_first = mixed.unflatten(0, (groups, -1)).permute(2, 0, 3, 1)
    return channels_first.reshape(mixed.shape[1], groups * mixed.shape[2], *frequency.half_shape(source.size))
