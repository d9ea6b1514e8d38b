"""Dense products of spectra and their gradients by the native engine; the contract of `spectral._products`.

dense.h says how spectra of maps and of filters lie in memory, and why nothing is transposed between them.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nifconv import frequency
from nifconv._support.arguments import at_least_single
from nifconv.spectral._products import empty_output
from nifconv.spectral._transforms import Placement
from nifconv.spectral.native._library import Dense
from nifconv.spectral.native._products import as_map, call, can_run, readable

# Fewer samples leave too many lanes of a vector empty.
_FEWEST_SAMPLES = 4
# Spectra of one chunk take no more room than this or the filters do.
_CHUNK_BYTES = 32 << 20
_CACHE_LINE = 64


def supports(x: Tensor, spectrum: Tensor, source: Placement) -> bool:
    """Whether `forward` and `gradients` compute this: on a CPU, signals and maps, and the engine is here."""
    return can_run(x, spectrum, source) and (len(x) == 0 or len(x) >= _FEWEST_SAMPLES)


def forward(x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement) -> Tensor:
    """See `spectral._products.forward`; for what `supports` says yes to."""
    dtype, wide = x.dtype, at_least_single(x.dtype, spectrum.dtype)
    x, filters = readable(x, wide), _by_bin(spectrum.to(wide))
    y = empty_output(x, len(spectrum), target.shape)
    for samples in _chunks(x, filters, source):
        bins = _Bins(y[samples].shape[0], groups, filters, source.size)
        bins.to_map(bins.product(bins.of_map(x[samples], source)), y[samples], target)
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
    x, grad, filters = readable(x, wide), readable(grad, wide), _by_bin(spectrum.to(wide))
    dx = empty_output(x, x.shape[1], source.shape) if wants_x else x.new_empty(0)
    by_bin = _empty_like(filters) if wants_spectrum else filters
    for samples in _chunks(x, filters, source):
        bins = _Bins(x[samples].shape[0], groups, filters, source.size)
        arriving = bins.of_map(grad[samples], target)
        if wants_x:
            bins.to_map(bins.adjoint(arriving), dx[samples], source)
        if wants_spectrum:
            bins.outer(arriving, bins.of_map(x[samples], source), by_bin, add=samples.start > 0)
    if not wants_spectrum:
        return dx.to(dtype), spectrum.new_empty(0)
    dh = by_bin if len(x) else by_bin.zero_()
    return dx.to(dtype), _by_channel(dh.to(spectrum.dtype), spectrum)


@dataclass(frozen=True)
class _Bins:
    """Some samples, bin by bin: float, `(bins, channels, samples in whole cache lines, 2)` up to the lanes' order.

    Attributes:
        batch: number of samples.
        groups: of channels.
        filters: see `_by_bin`.
        size: of the grid.
    """

    batch: int
    groups: int
    filters: Tensor
    size: tuple[int, ...]

    def of_map(self, x: Tensor, placement: Placement) -> Tensor:
        """The spectra of a map."""
        spectra = self._empty(x.shape[1])
        call("nifconv_dense_to_bins", self._problem(), ctypes.c_int64(x.shape[1]), as_map(x, placement), spectra)
        return spectra

    def to_map(self, spectra: Tensor, y: Tensor, placement: Placement) -> None:
        """Writes the map that has these spectra."""
        call("nifconv_dense_from_bins", self._problem(), ctypes.c_int64(y.shape[1]), as_map(y, placement), spectra)

    def product(self, x: Tensor) -> Tensor:
        """Y = H X."""
        y = self._empty(self.filters.shape[-2])
        call("nifconv_dense_product", self._problem(), self.filters, x, y)
        return y

    def adjoint(self, dy: Tensor) -> Tensor:
        """dX = conj(H) dY, summed over outputs."""
        dx = self._empty(self.groups * self.filters.shape[-1])
        call("nifconv_dense_adjoint", self._problem(), self.filters, dx, dy)
        return dx

    def outer(self, dy: Tensor, x: Tensor, into: Tensor, *, add: bool) -> None:
        """dH = dY conj(X), summed over samples and in every bin as often as that counts in the inverse transform."""
        call("nifconv_dense_outer", self._problem(), into, x, dy, ctypes.c_int32(add))

    def _empty(self, channels: int) -> Tensor:
        lanes = _CACHE_LINE // self.filters.element_size()
        bins = math.prod(frequency.half_shape(self.size))
        return self.filters.new_empty(bins, channels, -(-self.batch // lanes), 2, lanes)

    def _problem(self) -> Dense:
        outputs, inputs = self.filters.shape[-2:]
        strides = self.filters.stride(0), outputs * inputs * (2 if _is_paired(self.filters) else 1)
        wide = self.filters.dtype == torch.float64
        return Dense(self.batch, self.groups, outputs // self.groups, inputs, (1, *self.size)[-2:], *strides, wide)


def _by_bin(spectrum: Tensor) -> Tensor:
    """`(out, in, *half, 2)` -> `(2, *half, out, in)`, matrices without gaps; no copy if they already lie so."""
    planes = spectrum.permute(-1, *range(2, spectrum.dim() - 1), 0, 1)
    if planes[0].is_contiguous() or _is_paired(planes):
        return planes
    out, inputs, *half, _ = spectrum.shape
    # One transposition of two axes, for which PyTorch has a fast copy.
    matrices = spectrum.reshape(out * inputs, -1).t().contiguous()
    return matrices.view(*half, 2, out, inputs).movedim(-3, 0)


def _is_paired(by_bin: Tensor) -> bool:
    """Whether real and imaginary parts lie together in every bin, else all real parts before the imaginary ones."""
    return by_bin.movedim(0, -3).is_contiguous()


def _empty_like(by_bin: Tensor) -> Tensor:
    if not _is_paired(by_bin):
        return by_bin.new_empty(by_bin.shape)
    return by_bin.new_empty(by_bin.movedim(0, -3).shape).movedim(-3, 0)


def _by_channel(by_bin: Tensor, spectrum: Tensor) -> Tensor:
    """The inverse of `_by_bin`, in the layout of `spectrum`."""
    planes = by_bin.permute(-2, -1, *range(1, by_bin.dim() - 2), 0)
    like = torch.empty_like(spectrum)
    if like.stride() == planes.stride():
        return planes
    if like.is_contiguous():
        matrices = by_bin.movedim(0, -3).flatten(-2).flatten(0, -2)  # (bins * 2, out * in)
        like.view(matrices.shape[1], -1).copy_(matrices.t())
        return like
    return like.copy_(planes)


def _chunks(x: Tensor, filters: Tensor, source: Placement) -> Iterator[slice]:
    bins = math.prod(frequency.half_shape(source.size))
    lanes = _CACHE_LINE // filters.element_size()
    line = 2 * lanes * filters.element_size() * bins * max(x.shape[1], filters.shape[-2])
    width = lanes * max(1, max(_CHUNK_BYTES, filters.nbytes) // line)
    for b in range(0, len(x), width):
        yield slice(b, min(b + width, len(x)))
