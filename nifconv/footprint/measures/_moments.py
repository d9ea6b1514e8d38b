"""Moments of a kernel's energy w[n]^2: radius, centroid, anisotropy, and the radius measured from its spectrum.

All take taps `(out_channels, in_channels, *size)` centred at `size // 2`, work in float64 and return
`(out_channels, in_channels)`; a kernel of zeros scores NaN.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nifconv.footprint.measures._size import as_kernels
from nifconv.frequency import offsets, resize_taps, taps_to_spectrum


def rms_radius(taps: Tensor) -> Tensor:
    """Root mean square distance from the centre, in pixels: sqrt(sum_n |n|^2 w[n]^2 / sum_n w[n]^2).

    Returns:
        float64, `(out_channels, in_channels)`.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    energy, positions = _energy(taps)
    return (energy @ positions.square().sum(-1)).sqrt()  # (out, in, taps) @ (taps,)


def spectral_radius(taps: Tensor) -> Tensor:
    r"""Rms radius in pixels, measured from the roughness of the spectrum: smooth in frequency is local in space.

        R^2 = sum_a (S_a / 2 pi)^2 mean_f |H(f + e_a / S_a) - H(f)|^2 / mean_f |H(f)|^2

    Differences between neighbouring bins measure distance along chords of the circular map: by Parseval,
    R^2 = sum_n w[n]^2 sum_a (S_a sin(pi n_a / S_a) / pi)^2 / sum_n w[n]^2, exactly. It tends to `rms_radius` for
    kernels much smaller than the map, and is continuous where positions wrap around.

    Returns:
        float64, `(out_channels, in_channels)`.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    kernels = as_kernels(taps)
    size = tuple(taps.shape[2:])
    # Half spectra halve only the last axis. With an extra one of a single pixel nothing is left out, so that every
    # spatial axis has all its bins and differences can run around it.
    spectrum = taps_to_spectrum(kernels.unsqueeze(-1), (*size, 1))
    total = sum(
        (length / (2 * math.pi)) ** 2 * _power(spectrum.roll(-1, axis) - spectrum)  # H(f + e_a / S_a) - H(f)
        for axis, length in enumerate(size, start=2)
    )
    return (total / _power(spectrum)).sqrt()


def centroid(taps: Tensor) -> Tensor:
    """Mean position of a kernel's energy, sum_n n w[n]^2 / sum_n w[n]^2, in pixels from the centre.

    Returns:
        float64, `(out_channels, in_channels, d)`, d the number of spatial axes.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    energy, positions = _energy(taps)
    return energy @ positions  # (out, in, taps) @ (taps, d)


def centroid_offset(taps: Tensor) -> Tensor:
    """Distance of the centroid from the centre, in pixels: |sum_n n w[n]^2| / sum_n w[n]^2.

    Returns:
        float64, `(out_channels, in_channels)`.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    return centroid(taps).norm(dim=-1)


def align(taps: Tensor, *, periodic: bool = True) -> Tensor:
    """Shifts each kernel by whole pixels so that its energy is centred.

    The shift on axis a is the angle of sum_n w[n]^2 exp(2 pi i n_a / S_a), times S_a / 2 pi and rounded. Up to
    rounding, this circular shift gives the smallest `spectral_radius` (Mardia & Jupp 2000, sec. 2.2, the circular
    mean). Where the sum vanishes (two equal lobes half a map apart) all shifts are equally good.

    Args:
        taps: real, `(out_channels, in_channels, *size)`.
        periodic: whether the kernel wraps around, so that what leaves on one side enters on the other. A kernel that
            does not is first padded with zeros to twice its size.

    Returns:
        float64, `(out_channels, in_channels, *size)`, or twice that size if not `periodic`.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    kernels = as_kernels(taps)
    if not periodic:
        kernels = resize_taps(kernels, [2 * n for n in kernels.shape[2:]])
    energy = kernels.square()
    for axis, length in enumerate(kernels.shape[2:], start=2):
        others = tuple(a for a in range(2, kernels.dim()) if a != axis)
        line = energy.sum(others) if others else energy  # (out, in, length); a sum over no axes would be over all
        turns = offsets((length,), device=taps.device).squeeze(-1) * (2 * math.pi / length)
        mean = torch.atan2(line @ turns.sin(), line @ turns.cos())
        shift = (mean * (length / (2 * math.pi))).round().long()  # (out, in), whole pixels
        # A roll by another amount for each kernel: gather with an index that is constant along the other axes.
        index = (torch.arange(length, device=taps.device) + shift.unsqueeze(-1)) % length  # (out, in, length)
        shape = [*index.shape[:2], *(1 if a != axis else length for a in range(2, kernels.dim()))]
        index = index.view(shape).expand_as(kernels)
        kernels, energy = kernels.gather(axis, index), energy.gather(axis, index)
    return kernels


def anisotropy(taps: Tensor) -> Tensor:
    """How much longer than wide a kernel is, 1 - sqrt(l_min / l_max): 0 for a disc, 1 for a line; no unit.

    l are the eigenvalues of the covariance of position under the energy, sum_n (n - c)(n - c)^T w[n]^2 / sum_n
    w[n]^2, c the centroid: the squared half axes of the ellipse of inertia. A single tap and a 1-d kernel score 0.

    Returns:
        float64, `(out_channels, in_channels)`.

    Raises:
        TypeError: `taps` are not real and floating.
        ValueError: their shape is not `(out_channels, in_channels, *size)`.
    """
    energy, positions = _energy(taps)
    mean = energy @ positions  # (out, in, d)
    second = torch.einsum("oin,na,nb->oiab", energy, positions, positions)  # (out, in, d, d)
    covariance = second - mean.unsqueeze(-1) * mean.unsqueeze(-2)
    smallest, largest = _extreme_eigenvalues(covariance)
    # Differences of squared pixels round to about 1e-16 of those squares, which must not give a single tap a shape.
    floor = 1e-12 * (1 + positions.square().sum(-1).amax())
    ratio = torch.where(largest > floor, (smallest / largest).clamp(0, 1), 1.0)
    return torch.where(largest.isnan(), torch.nan, 1 - ratio.sqrt())  # NaN > floor is false and would score 0


def _extreme_eigenvalues(matrix: Tensor) -> tuple[Tensor, Tensor]:
    if matrix.shape[-1] == 2:  # a closed form, since a decomposition for each kernel would dominate the survey
        half, across = (matrix[..., 0, 0] - matrix[..., 1, 1]) / 2, matrix[..., 0, 1]
        middle, apart = (matrix[..., 0, 0] + matrix[..., 1, 1]) / 2, torch.hypot(half, across)
        return middle - apart, middle + apart
    finite = torch.linalg.eigvalsh(torch.nan_to_num(matrix))  # it raises on NaN, which is put back below
    undefined = matrix.isnan().any(-1).any(-1)
    return finite[..., 0].masked_fill(undefined, torch.nan), finite[..., -1].masked_fill(undefined, torch.nan)


def _energy(taps: Tensor) -> tuple[Tensor, Tensor]:
    """Share of each tap in the energy, `(out, in, taps)`, and its offset from the centre in pixels, `(taps, d)`."""
    energy = as_kernels(taps).square().flatten(2)
    positions = offsets(taps.shape[2:], device=taps.device).flatten(0, -2)
    return energy / energy.sum(-1, keepdim=True), positions


def _power(spectrum: Tensor) -> Tensor:
    return spectrum.abs().square().flatten(2).mean(-1)
