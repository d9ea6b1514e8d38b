r"""Frequency grids, half spectra and taps: the only module that knows the layout of an FFT.

**Frequencies** are in cycles per sample, in [-1/2, 1/2), in `torch.fft` order: `fftfreq` on every spatial axis but
the last, `rfftfreq` on the last. The *half grid* of a map of size S = (S_1, .., S_d) has shape (S_1, .., S_d//2 + 1).

**Taps** are real kernels laid out as `torch.nn.ConvNd.weight` is, for a cross-correlation, with the centre at index
S//2 of every axis. Taps w with K entries and the spectrum H that a layer multiplies by are related by

    H(f) = sum_j w[j] exp(2 pi i f . (j - K//2)),      w = flip of irfftn(H), up to the position of the centre.

**Self-conjugate bins.** irfftn returns real numbers whatever it is given, because it reads only the part of a half
spectrum that a real signal can have. Where -f falls on the half grid too (f_d = 0 and, on an even last axis,
f_d = 1/2: single bins in 1-d, columns in 2-d, planes in 3-d), H(-f) = conj(H(f)) is not automatic;
`project_hermitian` imposes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nifconv._support.arguments import at_least_single, complex_spectrum, ints_per_axis, map_size, real_floating


def half_shape(size: Sequence[int]) -> tuple[int, ...]:
    """Shape of the half spectrum of a real map of the given size: `(4, 6) -> (4, 4)`, `(4, 7) -> (4, 4)`.

    Raises:
        TypeError: `size` is not a sequence of integers.
        ValueError: it is empty, or an axis has no pixels.
    """
    size = map_size("size", size)
    return (*size[:-1], size[-1] // 2 + 1)


def grid(size: Sequence[int], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
    """Frequencies of the half grid, in cycles per sample, shape `(*half_shape(size), d)`.

    The last axis runs over the spatial axes in their order in memory, so entry 0 is the frequency along the first
    spatial axis (the rows of a 2-d map). Values are computed in float64 and rounded once, to `dtype`.

    >>> grid((4, 2))[:, 1]
    tensor([[ 0.0000,  0.5000],
            [ 0.2500,  0.5000],
            [-0.5000,  0.5000],
            [-0.2500,  0.5000]])

    Raises:
        TypeError: `size` is not a sequence of integers.
        ValueError: it is empty, or an axis has no pixels.
    """
    size = map_size("size", size)
    axes = [count.double() / n for count, n in zip(_half_counts(size, device), size, strict=True)]
    return torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1).to(dtype or torch.get_default_dtype())


def mirrored_grid(
    size: Sequence[int], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Frequencies of the half grid and of the bins that mirror them, `(2, *half_shape(size), d)`.

    A real kernel has H[-k] = conj H[k] for bins k, modulo the size. Which frequency a bin stands for matters to a
    function of frequency that is not periodic: here it is in [-1/2, 1/2), so that the Nyquist bin of an even axis is
    at -1/2 on the last axis too, and is its own mirror image.

    >>> mirrored_grid((4,)).squeeze(-1)
    tensor([[ 0.0000,  0.2500, -0.5000],
            [ 0.0000, -0.2500, -0.5000]])

    Raises:
        TypeError: `size` is not a sequence of integers.
        ValueError: it is empty, or an axis has no pixels.
    """
    size = map_size("size", size)
    counts = _half_counts(size, device)
    grids = []
    for sign in (1, -1):
        axes = [_centred(sign * count, n).double() / n for count, n in zip(counts, size, strict=True)]
        grids.append(torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1))
    return torch.stack(grids).to(dtype or torch.get_default_dtype())  # (2, *half, d)


def project_hermitian(spectrum: Tensor, size: Sequence[int]) -> Tensor:
    """The nearest half spectrum of a real kernel: afterwards `rfftn(irfftn(H)) == H`.

    On the self-conjugate bins H(f) becomes (H(f) + conj H(-f)) / 2, an orthogonal projection; other bins are unchanged.

    Args:
        spectrum: complex, `(..., *half_shape(size))`.
        size: the map size, needed because S_d = 2n and 2n + 1 share a half shape.

    Raises:
        TypeError: `spectrum` is not complex.
        ValueError: its shape is not that of a half spectrum of `size`.
    """
    size = _check_half(spectrum, size)
    return torch.view_as_complex(project_pairs(torch.view_as_real(spectrum.resolve_conj()), size))


def project_pairs(pairs: Tensor, size: Sequence[int]) -> Tensor:
    """`project_hermitian` on real and imaginary parts, `(..., *half_shape(size), 2)`, without complex numbers."""
    nyquist = size[-1] // 2 if size[-1] % 2 == 0 else size[-1]  # past the end for an odd size, which has no such bin
    first, last = pairs[..., :1, :], pairs[..., nyquist:, :]  # f_d = 0 and f_d = 1/2
    between = pairs[..., 1:nyquist, :]
    dims = tuple(axis - 1 for axis in _lead_dims(size))  # one further from the end, since the last axis holds the pairs
    return torch.cat([(first + _mirror(first, dims)) / 2, between, (last + _mirror(last, dims)) / 2], dim=-2)


def taps_to_spectrum(
    taps: Tensor, size: Sequence[int], *, dilation: int | Sequence[int] = 1, origin: Sequence[int] | None = None
) -> Tensor:
    """Half spectrum, on the grid of `size`, of a kernel given by its taps; taps outside the map wrap around it.

    H(f) = sum_j w[j] exp(2 pi i f . (j * dilation - origin)), so that the output at position n reads the input at
    n + j * dilation - origin.

    Args:
        taps: real, `(..., k_1, .., k_d)`.
        size: size of the map, d axes of any length, which may be shorter than the taps.
        dilation: distance between neighbouring taps, in pixels.
        origin: position, in pixels from tap 0, that is aligned with the output pixel. By default the centre,
            `dilation * (k // 2)`.

    Returns:
        Complex, `(..., *half_shape(size))`, in the precision of `taps` but at least complex64.

    Raises:
        TypeError: `taps` are not real and floating, or another argument does not hold integers.
        ValueError: an axis has no pixels, `taps` have fewer axes than `size` or no taps, `dilation` is below 1, or
            `origin` is below 0.
    """
    size = map_size("size", size)
    ndim = len(size)
    dilation = ints_per_axis("dilation", dilation, ndim)
    kernel = _check_taps(taps, ndim).to(at_least_single(taps.dtype))
    if origin is None:
        origin = [d * (k // 2) for d, k in zip(dilation, taps.shape[-ndim:], strict=True)]
    origin = ints_per_axis("origin", origin, ndim, minimum=0)
    # Wrapped around the map axis by axis; index_add, since taps that meet on one pixel add up.
    for axis, n in zip(range(-ndim, 0), size, strict=True):
        shift = torch.arange(kernel.shape[axis], device=kernel.device) * dilation[axis] - origin[axis]
        shape = list(kernel.shape)
        shape[axis] = n
        kernel = kernel.new_zeros(shape).index_add(axis, shift % n, kernel)
    return torch.fft.rfftn(kernel, dim=_dims(ndim)).conj()  # rfftn has exp(-2 pi i f . n): conjugate to correlate


def spectrum_to_taps(spectrum: Tensor, size: Sequence[int]) -> Tensor:
    """The taps `(..., *size)`, centred at `size // 2`, of a half spectrum; inverts `taps_to_spectrum` at equal sizes.

    Raises:
        TypeError: `spectrum` is not complex.
        ValueError: its shape is not that of a half spectrum of `size`.
    """
    size = _check_half(spectrum, size)
    dims = _dims(len(size))
    kernel = torch.fft.irfftn(spectrum.conj().resolve_conj(), s=size, dim=dims)
    return torch.roll(kernel, [n // 2 for n in size], dims)  # from the origin at index 0 to the centre


def offsets(size: Sequence[int], *, device: torch.device | str | None = None) -> Tensor:
    """Position of each tap of a kernel of `size` relative to the centre, in pixels, float64, `(*size, d)`.

    Raises:
        TypeError: `size` is not a sequence of integers.
        ValueError: it is empty, or an axis has no pixels.
    """
    size = map_size("size", size)
    axes = [torch.arange(n, dtype=torch.float64, device=device) - n // 2 for n in size]
    return torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1)


def resize_taps(taps: Tensor, size: Sequence[int]) -> Tensor:
    """Taps `(..., *size)`: cropped or padded with zeros so that the centre stays the centre.

    Growing and then shrinking gives the same taps back.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: an axis has no pixels, or `taps` have fewer axes than `size` or no taps.
    """
    size = map_size("size", size)
    _check_taps(taps, len(size))
    pad: list[int] = []
    for k, n in zip(reversed(taps.shape[-len(size) :]), reversed(size), strict=True):  # F.pad begins at the last axis
        pad += [n // 2 - k // 2, (n - n // 2) - (k - k // 2)]  # before and after; negative values crop
    # torch's ONNX optimizer turns a pad by nothing into an invalid model; a symbolic size must not be compared with 0.
    return taps.clone() if all(type(p) is int and p == 0 for p in pad) else torch.nn.functional.pad(taps, pad)


def fold(spectrum: Tensor, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Half spectrum of every `stride`-th sample: `irfftn(fold(rfftn(x))) == x[::s]`.

    Sampling adds up aliases: Z(f) = mean over m of Y(f + m / s). A strided convolution then needs only an inverse
    transform of the small output.

    Args:
        spectrum: complex, `(..., *half_shape(size))`, of a real map.
        size: the size of that map; every stride must divide its axis.
        stride: one integer per axis.

    Returns:
        Complex, `(..., *half_shape(size // stride))`.

    Raises:
        TypeError: `spectrum` is not complex.
        ValueError: shapes disagree, or a stride does not divide its axis (the aliases then fall between bins).
    """
    size = _check_half(spectrum, size)
    stride = ints_per_axis("stride", stride, len(size))
    for n, s in zip(size, stride, strict=True):
        if n % s:
            raise ValueError(f"stride={stride} must divide size={size} on every axis; slice the output instead")
    for axis, s in zip(_lead_dims(size), stride[:-1], strict=True):  # (.., n, ..) -> (.., s, n / s, ..)
        spectrum = spectrum.unflatten(axis, (s, -1)).mean(axis - 1)
    n, s = size[-1], stride[-1]
    if s == 1:
        return spectrum
    # Aliases lie in the other half of the last axis too, whose bins n//2 + 1, .., n - 1 mirror (n - 1)//2, .., 1.
    dims = tuple(axis - 1 for axis in _lead_dims(size))
    rest = _mirror(torch.view_as_real(spectrum[..., 1 : (n + 1) // 2].flip(-1)), dims)
    whole = torch.cat([spectrum, torch.view_as_complex(rest)], dim=-1)
    return whole.unflatten(-1, (s, -1)).mean(-2)[..., : n // s // 2 + 1]


def fast_length(minimum: int, *, multiple_of: int = 1) -> int:
    """The smallest length >= `minimum`, in pixels, with a quick FFT: `multiple_of` times a product of 2, 3, 5 and 7.

    >>> fast_length(223), fast_length(223, multiple_of=2)
    (224, 224)
    """
    quotient = max(-(-minimum // multiple_of), 1)  # rounded up
    while not _is_smooth(quotient):
        quotient += 1
    return quotient * multiple_of


def _is_smooth(n: int) -> bool:
    for prime in (2, 3, 5, 7):
        while n % prime == 0:
            n //= prime
    return n == 1


def _half_counts(size: Sequence[int], device: torch.device | str | None) -> list[Tensor]:
    """Cycles per map of the bins of each axis."""
    # Not fftfreq and rfftfreq, which the ONNX exporter cannot translate.
    counts = [_centred(torch.arange(n, device=device), n) for n in size[:-1]]
    return [*counts, torch.arange(size[-1] // 2 + 1, device=device)]


def _centred(counts: Tensor, n: int) -> Tensor:
    """The same bins, counted from -(n // 2)."""
    return (counts + n // 2) % n - n // 2


def _dims(ndim: int) -> tuple[int, ...]:
    return tuple(range(-ndim, 0))


def _lead_dims(size: Sequence[int]) -> tuple[int, ...]:
    """All spatial axes but the last, counted from the end."""
    return tuple(range(-len(size), -1))


def _mirror(pairs: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The conjugate of H(-f) along `dims`: index n goes to -n modulo the length, and the imaginary part is negated."""
    if dims:
        # flip sends n to N - 1 - n, and the roll sends that to N - n.
        pairs = torch.roll(pairs.flip(dims), (1,) * len(dims), dims)
    real, imag = pairs.unbind(-1)
    return torch.stack([real, -imag], dim=-1)


def _check_half(spectrum: Tensor, size: Sequence[int]) -> tuple[int, ...]:
    size = map_size("size", size)
    complex_spectrum(spectrum)
    if tuple(spectrum.shape[-len(size) :]) != half_shape(size):
        raise ValueError(
            f"spectrum ends in the axes {tuple(spectrum.shape[-len(size) :])}, but the half spectrum of a map of "
            f"size={size} has {half_shape(size)}; take rfftn over the {len(size)} spatial axes"
        )
    return size


def _check_taps(taps: Tensor, ndim: int) -> Tensor:
    kernel_size = tuple(real_floating("taps", taps).shape[-ndim:])
    if len(kernel_size) < ndim or min(kernel_size) < 1:
        raise ValueError(
            f"taps have the shape {tuple(taps.shape)}, but need {ndim} spatial axes of at least 1 tap at the end"
        )
    return taps
