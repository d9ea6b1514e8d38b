"""A global convolution on maps of one size, as products with constant matrices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nifconv._support.arguments import at_least_single
from nifconv.frequency import taps_to_spectrum
from nifconv.layers import SpatialLayer
from nifconv.spectral import Geometry


class SpectralProduct(nn.Module):
    """y = inverse DFT (H * DFT(x)), axis by axis, on real tensors and without an FFT.

    Every transform is a matrix product with the cosines and sines of one axis. Stride and padding are linear maps of
    the axes too and are part of these matrices: only the output pixels are computed, and nothing is padded. Complex
    numbers are pairs of real ones, on an axis of length 2.

    Args:
        layer: the layer with the stride, padding and groups.
        taps: its kernels on this map, `(out, in_per_group, *k)`.
        map_size: pixels per axis.

    Shape:
        `(batch, in_channels, *map_size)` or without batch -> `(batch, out_channels, *output)` or without batch.

    Attributes:
        map_size: the only size of a map that it takes.
        bias: `(out_channels,)` or None.
    """

    bias: nn.Parameter | None
    real: Tensor
    imag: Tensor

    def __init__(self, layer: SpatialLayer, taps: Tensor, map_size: Sequence[int]) -> None:
        super().__init__()
        self.map_size = tuple(map_size)
        self.ndim = len(self.map_size)
        self.groups = layer.in_channels // taps.shape[1]
        self.register_parameter("bias", None)
        dtype = at_least_single(taps.dtype)
        geometries = _axes(layer, tuple(taps.shape[2:]), self.map_size)
        grid: list[int] = []
        origin: list[int] = []
        for axis, geometry in enumerate(geometries):
            is_last = axis == self.ndim - 1
            # Padding is linear, so padding the unit vectors gives its matrix: (pixels, padded pixels).
            units, (size,), (before,) = geometry.on_grid(torch.eye(map_size[axis], dtype=torch.float64)[None])
            grid.append(size)
            origin.append(before)
            outputs = torch.arange(0, geometry.output_size[0], geometry.stride[0])
            self.register_buffer(f"analysis_{axis}", _analysis(units[0], size, is_last).to(taps.device, dtype))
            self.register_buffer(f"synthesis_{axis}", _synthesis(outputs, size, is_last).to(taps.device, dtype))
        spectrum = taps_to_spectrum(taps.detach().double(), grid, dilation=layer.dilation, origin=origin)
        for axis in reversed(range(self.ndim - 1)):
            # The axes come in the order in which `forward` leaves them: (out, in_per_group, *bins).
            spectrum = spectrum.transpose(axis - self.ndim, -1)
        self.bins = tuple(spectrum.shape[2:])
        spectrum = spectrum.unflatten(0, (self.groups, -1))  # (groups, out_per_group, in_per_group, *bins)
        # One kernel per channel is multiplied bin by bin; several are summed over, by a matrix for each bin.
        self.is_depthwise = taps.shape[1] == 1
        spectrum = spectrum.squeeze(2) if self.is_depthwise else spectrum.flatten(3).permute(3, 0, 2, 1)
        self.register_buffer("real", spectrum.real.to(dtype).contiguous())
        self.register_buffer("imag", spectrum.imag.to(dtype).contiguous())

    def forward(self, input: Tensor) -> Tensor:
        """The convolution.

        Raises:
            ValueError: the map does not have `map_size`, or an exporter leaves its size open.
        """
        self._check(input)
        batched = input.dim() == self.ndim + 2
        x = (input if batched else input.unsqueeze(0)).to(self.real.dtype)
        last = self.ndim - 1
        x = (x @ self._matrix("analysis", last)).unflatten(-1, (2, -1))
        for axis in reversed(range(last)):
            # The next axis changes places with the last one, beside the pairs: (batch, in, .., 2 * pixels).
            x = x.transpose(axis - self.ndim - 1, -1).flatten(-2)
            x = (x @ self._matrix("analysis", axis)).unflatten(-1, (2, -1))
        x = x.movedim(-2, 0)  # (2, batch, in, *bins)
        by_real, by_imag = self._times(x, self.real), self._times(x, self.imag)
        y = torch.stack([by_real[0] - by_imag[1], by_real[1] + by_imag[0]], dim=-2)  # (batch, out, .., 2, last bins)
        for axis in range(last):
            y = (y.flatten(-2) @ self._matrix("synthesis", axis)).unflatten(-1, (2, -1))
            y = y.transpose(axis - self.ndim - 1, -1)  # back in its place
        y = (y.flatten(-2) @ self._matrix("synthesis", last)).to(input.dtype)
        if self.bias is not None:
            y = y + self.bias.to(y.dtype).view(-1, *(1,) * self.ndim)
        return y if batched else y.squeeze(0)

    def extra_repr(self) -> str:
        return f"map_size={self.map_size}, groups={self.groups}"

    def _matrix(self, transform: str, axis: int) -> Tensor:
        return self.get_buffer(f"{transform}_{axis}")

    def _times(self, x: Tensor, kernels: Tensor) -> Tensor:
        """Maps `(2, batch, in, *bins)` times real kernels, to `(2, batch, out, *bins)`."""
        if self.is_depthwise:  # kernels (groups, out_per_group, *bins)
            return (x.unsqueeze(3) * kernels).flatten(2, 3)
        # Kernels (bins, groups, in_per_group, out_per_group), maps (2 * batch, groups, in_per_group, bins).
        x = x.flatten(0, 1).flatten(2).unflatten(1, (self.groups, -1))
        y = (x.permute(3, 1, 0, 2) @ kernels).permute(2, 1, 3, 0)  # (2 * batch, groups, out_per_group, bins)
        return y.flatten(1, 2).unflatten(-1, self.bins).unflatten(0, (2, -1))

    def _check(self, input: Tensor) -> None:
        size = tuple(input.shape[-self.ndim :])
        if torch.compiler.is_exporting() and any(isinstance(n, torch.SymInt) for n in size):
            raise ValueError(
                f"input has a map of dynamic size {size}, but its constant matrices are for maps of {self.map_size}; "
                "leave these axes out of dynamic_shapes"
            )
        # A tracer would warn that it records the comparison as a constant.
        if not torch.jit.is_tracing() and size != self.map_size:
            raise ValueError(
                f"input has a map of {size}, but the constant matrices are for maps of {self.map_size}; give maps of "
                "that size, or call as_matmul again with an example input of the new one"
            )


def _axes(layer: SpatialLayer, kernel_size: tuple[int, ...], map_size: tuple[int, ...]) -> list[Geometry]:
    """The geometry of the layer, axis by axis."""
    padding = layer.padding_per_axis(kernel_size)
    rows = zip(map_size, kernel_size, layer.stride, padding, layer.dilation, strict=True)
    return [Geometry((n,), (k,), (s,), (pad,), (d,), layer.padding_mode) for n, k, s, pad, d in rows]


def _analysis(units: Tensor, size: int, is_last: bool) -> Tensor:
    """The DFT of one axis, on a grid of `size`, as a matrix from the right.

    Args:
        units: the matrix of the padding, `(pixels, padded pixels)`.
        size: pixels of the grid; zeros follow the padded pixels.
        is_last: whether to take real numbers to pairs of the half spectrum, `(pixels, 2 * bins)`, as on the last axis;
            else pairs to pairs, `(2 * pixels, 2 * size)`.
    """
    if is_last:
        half = torch.fft.rfft(units, n=size)
        return torch.cat([half.real, half.imag], dim=1)
    return _on_pairs(torch.fft.fft(units, n=size))


def _synthesis(outputs: Tensor, size: int, is_last: bool) -> Tensor:
    """The inverse DFT of one axis at some positions, from pairs: `(2 * bins, outputs)` or `(2 * size, 2 * outputs)`."""
    if is_last:
        # The inverse is linear over the reals only, so the unit vectors are 1 and i at each bin: (2 * bins, size).
        bins = torch.eye(size // 2 + 1, dtype=torch.float64)
        maps = torch.fft.irfft(torch.cat([torch.complex(bins, 0 * bins), torch.complex(0 * bins, bins)]), n=size)
        return maps[:, outputs]
    return _on_pairs(torch.fft.ifft(torch.eye(size, dtype=torch.float64))[:, outputs])


def _on_pairs(matrix: Tensor) -> Tensor:
    """A complex matrix as a real one on real parts followed by imaginary parts, `(2 * rows, 2 * columns)`."""
    rows = [torch.cat([matrix.real, matrix.imag], dim=1), torch.cat([-matrix.imag, matrix.real], dim=1)]
    return torch.cat(rows)
