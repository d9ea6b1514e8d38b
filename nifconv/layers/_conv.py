"""Convolution layers whose kernels are functions of frequency."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nifconv import frequency
from nifconv._support.arguments import at_least_single, choice, map_size_of, real_floating
from nifconv._support.forward import relative_error
from nifconv._support.precision import full_precision
from nifconv.filters import FilterFactory, FrequencyFilter, ImplicitFilter, SpatialFilter, build_filter, fit
from nifconv.layers._base import SpatialLayer
from nifconv.layers._kernel import FilterKernel
from nifconv.spectral import METHODS, Geometry, combine, combines_first, convolve, multiply


class FrequencyConv(SpatialLayer):
    """The code that the 1-d, 2-d and 3-d layers share; see `FrequencyConv2d` for arguments and behaviour."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = "same",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "circular",
        *,
        filter: FilterFactory = ImplicitFilter,
        method: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode)
        self.method = choice("method", method, METHODS)
        with where_built(device):
            self.filter = build_filter(filter, out_channels, in_channels // groups, self.ndim, self.kernel_size)
            # nn.ConvNd draws the bias within 1 / sqrt(taps), next to nothing for a kernel as large as the map.
            self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        move_to(self, device, dtype)

    def reset_parameters(self) -> None:
        """Re-initialises the filter and sets the bias to zero, as at construction."""
        self.filter.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor, pointwise: Tensor | None = None) -> Tensor:
        """The convolution; if given the weight of a following 1x1 convolution, both in one pass (see `LCConv2d`)."""
        batched = self._is_batched(input)
        x = input if batched else input.unsqueeze(0)
        size = map_size_of(x, self.ndim)
        # A global circular kernel is the filter on the grid of the map itself; all others need taps and padding.
        if self.kernel_size is None and self.padding_mode == "circular" and self.method != "direct":
            y = self._multiplied(x, size, pointwise)
        else:
            kernel_size = self.applied_size(size)
            padding = tuple(self.padding_per_axis(kernel_size))
            geometry = Geometry(size, kernel_size, self.stride, padding, self.dilation, self.padding_mode)
            kernel = FilterKernel(self.filter, kernel_size)
            y = convolve(x, kernel, geometry, self.groups, pointwise, self.method)
        y = self._with_bias(y)
        return y if batched else y.squeeze(0)

    def _multiplied(self, x: Tensor, size: tuple[int, ...], pointwise: Tensor | None) -> Tensor:
        """The convolution with kernels as large as the map."""
        weight = None if pointwise is None else pointwise.flatten(1)  # (mixed, out / pointwise groups)
        if weight is None or not combines_first(x, self.out_channels, weight):
            spectrum = self.filter.spectrum_as_real(size)  # (out, in / groups, *half, 2)
            return multiply(x, spectrum, self.groups, size, self.stride, size, pointwise, self.method)

        def combined(kernels: Tensor) -> Tensor:
            wide = at_least_single(x.dtype, kernels.dtype, weight.dtype)
            return combine(kernels.to(wide), weight.to(wide), self.groups)

        with full_precision(x.device):
            spectrum = self.filter.combined_as_real(size, combined, terms=self.out_channels // self.groups)
        groups = self.out_channels // weight.shape[1]
        return multiply(x, spectrum, groups, size, self.stride, size, method=self.method)

    def kernels(self, map_size: int | Sequence[int] | None) -> Tensor:
        return self.filter.taps(self.applied_size(map_size))

    def match_(self, taps: Tensor, size: Sequence[int]) -> float:
        # A parametrization was moved here from the original convolution together with its state, which fixes the taps.
        if not parametrize.is_parametrized(self.filter):
            fit(self.filter, frequency.resize_taps(taps, size), size=size)
        reach = tuple(map(max, size, taps.shape[2:]))  # taps outside `size` cannot be matched, but count as error
        found = frequency.resize_taps(self.filter.taps(size).detach().double(), reach)
        return relative_error(found - frequency.resize_taps(taps, reach), taps)

    def tie_to(self, other: SpatialLayer) -> bool:
        if not isinstance(other, FrequencyConv) or _shape(self.filter) != _shape(other.filter):
            return False
        self.filter = other.filter  # one module in both layers; each keeps its own bias and geometry
        return True

    @property
    def taps_module(self) -> nn.Module | None:
        # The weight of a shared filter belongs to other layers too, and that of a frozen one is not a parameter.
        own = isinstance(self.filter, SpatialFilter) and self.filter.learns_alone
        return self.filter if own else None

    def extra_repr(self) -> str:
        words = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        defaults = {"stride": (1,) * self.ndim, "padding": "same", "dilation": (1,) * self.ndim, "groups": 1}
        words += [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        words += [] if self.bias is not None else ["bias=False"]
        words += [] if self.method == "auto" else [f"method={self.method!r}"]
        return ", ".join([*words, f"padding_mode={self.padding_mode!r}"])

    def _is_batched(self, input: Tensor) -> bool:
        shape = tuple(real_floating("input", input).shape)
        if input.dim() not in (self.ndim + 1, self.ndim + 2):
            raise ValueError(
                f"input has {input.dim()} axes, shape {shape}, but {type(self).__name__} takes (batch, channels, "
                f"{self.ndim} spatial axes) or the same without batch; add or remove axes"
            )
        channels = shape[-self.ndim - 1]
        if channels != self.in_channels:
            raise ValueError(
                f"input has {channels} channels, shape {shape}, but in_channels={self.in_channels}; the channel axis "
                "comes right before the spatial axes"
            )
        return input.dim() == self.ndim + 2


@final
class FrequencyConv1d(FrequencyConv):
    """`FrequencyConv2d` for one spatial axis."""

    ndim = 1


@final
class FrequencyConv2d(FrequencyConv):
    """A convolution whose kernels are given by a function of frequency, with the arguments of `nn.Conv2d`.

    With a `kernel_size` the layer equals `torch.nn.functional.conv2d(x, layer.filter.taps(kernel_size), ...)` for
    every combination of the other arguments. With `kernel_size=None` the kernel is as large as the map (*global*) on
    every map: y = irfft2(H(f) rfft2(x)) with circular padding, else the linear convolution with 2 * size - 1 taps.
    The number of parameters is that of the filter and does not depend on the kernel size.

    The defaults of `padding`, "same", and of `padding_mode`, "circular", are not those of `nn.Conv2d`.

    Args:
        in_channels, out_channels, stride, groups, bias: as in `nn.Conv2d`; the bias starts at zero.
        kernel_size: taps per axis, or None for a kernel as large as the map.
        padding: pixels, "valid", or "same": output size ceil(input / stride), aligned as in `nn.Conv2d`, and here
            allowed with a stride. A global kernel takes "same" only.
        dilation: as in `nn.Conv2d`; 1 for a global kernel.
        padding_mode: "circular"; or "zeros", "reflect" or "replicate", exact linear convolutions on the padded map.
            With circular padding the response is the same at every position; near a border of zeros it can differ.
        filter: called as `filter(out_channels, in_channels // groups, ndim)`; a filter class or a
            `functools.partial` of one. `SpatialFilter` also receives the layer's `kernel_size`.
        method: how the same result is computed: "fft" by torch.fft; "native" by the library's own engine on
            CPUs; "fused" by its kernels for GPUs, once they agree with torch.fft on the device; "direct" by a sum over
            taps; or "auto", whichever was fastest in measurements of similar sizes, which on a GPU have to be made
            there first (`nifconv bench --crossover`). What an engine cannot do, torch.fft does.
        device, dtype: device and dtype of the parameters.

    Shape:
        `(batch, in_channels, *map)` or `(in_channels, *map)` -> `(batch, out_channels, *output)` or without batch,
        in the dtype of the input.

    Attributes:
        filter: the `FrequencyFilter`.
        bias: `(out_channels,)` or None.

    Raises:
        TypeError: an argument has the wrong type; the input is not real and floating.
        ValueError: an argument is out of range or contradicts another; the input has the wrong rank, channels or an
            empty map, or is too small for the kernel and padding.

    >>> layer = FrequencyConv2d(16, 32)
    >>> layer(torch.randn(4, 16, 28, 28)).shape, layer(torch.randn(4, 16, 7, 9)).shape
    (torch.Size([4, 32, 28, 28]), torch.Size([4, 32, 7, 9]))
    """

    ndim = 2


@final
class FrequencyConv3d(FrequencyConv):
    """`FrequencyConv2d` for three spatial axes."""

    ndim = 3


def where_built(device: torch.device | str | None) -> AbstractContextManager[object]:
    """A context for building a module that then moves to `device`: on the CPU, even if the default device is "meta"."""
    return nullcontext() if device is None else torch.device("cpu")


def move_to(module: nn.Module, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
    """Moves a newly built module to the device and dtype that its constructor was given.

    Raises:
        TypeError: `dtype` is not real and floating.
    """
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(f"dtype={dtype} must be real and floating, such as torch.float32: parameters are real here")
    if device is not None or dtype is not None:
        module.to(device=device, dtype=dtype)


def layer_class(ndim: int) -> type[FrequencyConv]:
    """The layer for 1, 2 or 3 spatial axes."""
    return {1: FrequencyConv1d, 2: FrequencyConv2d, 3: FrequencyConv3d}[ndim]


def _shape(filter: FrequencyFilter) -> tuple[int, int]:
    return filter.out_channels, filter.in_channels
