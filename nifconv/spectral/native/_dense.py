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
from nifconv._support.memory import in_huge_pages
from nifconv.spectral._products import empty_output
from nifconv.spectral._transforms import Placement
from nifconv.spectral.native._library import Dense
from nifconv.spectral.native._products import as_map, call, can_run, readable

# Fewer products for each bin of a transform do not make up for lanes without a sample.
_FEWEST_PRODUCTS = 64
# Spectra of one chunk take no more room than this or the filters do.
_CHUNK_BYTES = 32 << 20
_CACHE_LINE = 64


def supports(x: Tensor, spectrum: Tensor, source: Placement) -> bool:
    """Whether `forward` and `gradients` compute this: on a CPU, signals and maps, and the engine is here."""
    return can_run(x, spectrum, source) and spectrum.shape[1] > 1


def pays(x: Tensor, spectrum: Tensor) -> bool:
    """Whether this is faster than torch.fft, which transforms each sample by itself."""
    return len(x) * spectrum.shape[1] >= _FEWEST_PRODUCTS


def forward(x: Tensor, spectrum: Tensor, groups: int, source: Placement, target: Placement) -> Tensor:
    """See `spectral._products.forward`; for what `supports` says yes to."""
    dtype, wide = x.dtype, at_least_single(x.dtype, spectrum.dtype)
    x, filters = readable(x, wide), _by_bin(spectrum.to(wide))
    y = empty_output(x, len(spectrum), target.shape)
    for samples, spectra in _chunks(len(x), filters, groups, source.size):
        spectra.read(spectra.x, x[samples], source)
        spectra.product()
        spectra.write(spectra.y, y[samples], target)
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
    x, grad = readable(x, wide), readable(grad, wide)
    dx = empty_output(x, x.shape[1], source.shape) if wants_x else x.new_empty(0)
    like = in_huge_pages(torch.empty_like(spectrum, dtype=wide)) if wants_spectrum else spectrum.new_empty(0)
    dh = _room(like) if wants_spectrum else None
    # Only dX reads the filters; otherwise their shape and layout are enough, which dH has too.
    filters = dh if dh is not None and not wants_x else _by_bin(spectrum.to(wide))
    for samples, spectra in _chunks(len(x), filters, groups, source.size):
        spectra.read(spectra.y, grad[samples], target)
        if wants_x:
            spectra.adjoint()
            spectra.write(spectra.x, dx[samples], source)
        if dh is not None:
            spectra.read(spectra.x, x[samples], source)
            spectra.outer(dh, add=samples.start > 0)
    if dh is None:
        return dx.to(dtype), like
    _write_back(dh if len(x) else dh.zero_(), like)
    return dx.to(dtype), like.to(spectrum.dtype)


@dataclass(frozen=True)
class _Spectra:
    """The spectra of some samples of x and y, or of their gradients, and the steps between them.

    Attributes:
        batch: number of samples.
        groups: number of channel groups.
        filters: see `_planes`.
        size: pixels of the grid.
        x, y: room for `(bins, channels, samples in whole cache lines)` complex numbers.
    """

    batch: int
    groups: int
    filters: Tensor
    size: tuple[int, ...]
    x: Tensor
    y: Tensor

    def read(self, spectra: Tensor, map_: Tensor, placement: Placement) -> None:
        """The spectra of a map."""
        channels = ctypes.c_int64(map_.shape[1])
        call("nifconv_dense_to_bins", self._problem(self.filters), channels, as_map(map_, placement), spectra)

    def write(self, spectra: Tensor, map_: Tensor, placement: Placement) -> None:
        """The map that has these spectra."""
        channels = ctypes.c_int64(map_.shape[1])
        call("nifconv_dense_from_bins", self._problem(self.filters), channels, as_map(map_, placement), spectra)

    def product(self) -> None:
        """Y = H X."""
        call("nifconv_dense_product", self._problem(self.filters), self.filters, self.x, self.y)

    def adjoint(self) -> None:
        """X = conj(H) Y, summed over outputs."""
        call("nifconv_dense_adjoint", self._problem(self.filters), self.filters, self.x, self.y)

    def outer(self, dh: Tensor, *, add: bool) -> None:
        """The gradient Y conj(X) of H, summed over samples; a bin counts as often as in the inverse transform."""
        call("nifconv_dense_outer", self._problem(dh), dh, self.x, self.y, ctypes.c_int32(add))

    def _problem(self, filters: Tensor) -> Dense:
        outputs, inputs = filters.shape[-2:]
        return Dense(
            batch=self.batch,
            groups=self.groups,
            outputs=outputs // self.groups,
            inputs=inputs,
            grid=(1, *self.size)[-2:],
            part_stride=filters.stride(0),
            bin_stride=_bin_stride(filters),
            output_stride=filters.stride(-2),
            input_stride=filters.stride(-1),
            wide=filters.dtype == torch.float64,
        )


def _chunks(batch: int, filters: Tensor, groups: int, size: tuple[int, ...]) -> Iterator[tuple[slice, _Spectra]]:
    """Ranges of samples whose spectra take no more room than the filters or than a fixed amount, in the same room."""
    lanes = _CACHE_LINE // filters.element_size()
    # Complex numbers of one cache line of samples, for x and for y.
    room = [
        lanes * 2 * math.prod(frequency.half_shape(size)) * n for n in (groups * filters.shape[-1], filters.shape[-2])
    ]
    most = max(_CHUNK_BYTES, filters.nbytes) // (filters.element_size() * max(room))
    lines = max(1, min(most, -(-batch // lanes)))
    x, y = (filters.new_empty(lines * numbers) for numbers in room)
    for b in range(0, batch, lines * lanes):
        samples = slice(b, min(b + lines * lanes, batch))
        yield samples, _Spectra(samples.stop - b, groups, filters, size, x, y)


def _planes(spectrum: Tensor) -> Tensor:
    """`(out, in, *half, 2)` seen as `(2, *half, out, in)`."""
    return spectrum.permute(-1, *range(2, spectrum.dim() - 1), 0, 1)


def _bin_stride(planes: Tensor) -> int | None:
    """Elements from one bin to the next where the engine can read the planes as they lie, else None.

    Bins have to be evenly spaced, and outputs or inputs side by side.
    """
    axes = list(zip(planes.shape, planes.stride(), strict=True))[1:-2]  # (*half)
    (n, step), *others = [axis for axis in reversed(axes) if axis[0] > 1] or [(1, 0)]
    is_even = all(other == n * step for _, other in others)
    return step if is_even and 1 in planes.stride()[-2:] else None


def _by_bin(spectrum: Tensor) -> Tensor:
    """`_planes` of the spectrum, or of a copy if the engine cannot read them where they lie."""
    room = _room(spectrum)
    if room.data_ptr() != spectrum.data_ptr():
        # One transposition of two axes, for which PyTorch has a fast copy.
        _matrices(room).copy_(spectrum.reshape(-1, len(_matrices(room))).t())
    return room


def _room(spectrum: Tensor) -> Tensor:
    """`_planes` of the spectrum if the engine can read them where they lie, else of room for a copy, paired by bin."""
    planes = _planes(spectrum)
    if _bin_stride(planes) is not None:
        return planes
    out, inputs, *half, parts = spectrum.shape
    return spectrum.new_empty(*half, parts, out, inputs).movedim(-3, 0)


def _matrices(room: Tensor) -> Tensor:
    """Of room for a copy: `(bins * 2, out * in)`."""
    return room.movedim(0, -3).flatten(-2).flatten(0, -2)


def _write_back(room: Tensor, spectrum: Tensor) -> None:
    """Puts what is in `_room(spectrum)` into the spectrum."""
    if room.data_ptr() != spectrum.data_ptr():
        if spectrum.is_contiguous():
            spectrum.view(-1, len(_matrices(room))).copy_(_matrices(room).t())
        else:
            spectrum.copy_(room.permute(-2, -1, *range(1, room.dim() - 2), 0))
