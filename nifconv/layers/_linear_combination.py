"""Linear-combination blocks: spatial filters, followed directly by a 1x1 convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from nifconv._support.arguments import positive_int
from nifconv.filters import FilterFactory, ImplicitFilter
from nifconv.layers._base import Composition, SpatialLayer
from nifconv.layers._conv import layer_class, move_to, where_built
from nifconv.layers._convnd import CONVS
from nifconv.layers._factorize import factor_
from nifconv.spectral import combine


class LCConv(SpatialLayer):
    """The code that the 1-d, 2-d and 3-d blocks share; see `LCConv2d` for arguments and behaviour."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = "same",
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
        padding_mode: str = "circular",
        *,
        expansion: int = 1,
        depthwise: bool = True,
        groups: int = 1,
        filter: FilterFactory = ImplicitFilter,
        method: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode)
        self.expansion = positive_int("expansion", expansion)
        channels = (in_channels if depthwise else out_channels) * expansion
        with where_built(device):
            self.spatial = layer_class(self.ndim)(
                in_channels,
                channels,
                kernel_size,
                stride,
                padding,
                dilation,
                in_channels if depthwise else groups,  # groups
                bias=False,
                padding_mode=padding_mode,
                filter=filter,
                method=method,
            )
            # Spatial filters of gain 1 keep the variance of the input, so the gain of the block is that of the 1x1.
            self.spatial.filter.rescale_(1 / self.spatial.filter.initial_gain)
            self.pointwise = CONVS[self.ndim](channels, out_channels, 1, groups=groups, bias=bias)
        move_to(self, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        # In one pass: where it saves work, the 1x1 weights are multiplied into the kernels first (see `combine`).
        return self._with_bias(self.spatial(input, self.pointwise.weight))

    def kernels(self, map_size: int | Sequence[int] | None) -> Tensor:
        return self.combined_taps(self.applied_size(map_size))

    def combined_taps(self, size: int | Sequence[int]) -> Tensor:
        """The kernels that the block applies as a whole, real, `(out_channels, in_channels // groups, *size)`.

        Each is a linear combination of spatial kernels (Gavrikov & Keuper 2023, lemma 3.1).

        Args:
            size: taps per axis; `spatial.applied_size(map)` for the kernels on a map.
        """
        taps = self.spatial.filter.taps(size)  # (channels, in / spatial groups, *size)
        return combine(taps, self.pointwise.weight.flatten(1).to(taps.dtype), self.spatial.groups)

    @property
    def probe(self) -> nn.Module:
        return self.spatial

    @property
    def bias_holder(self) -> nn.Module:
        return self.pointwise

    @property
    def has_own_kernels(self) -> bool:
        # With one filter for each channel, a combined kernel is a 1x1 weight times a spatial kernel.
        return self.expansion > 1 or self.spatial.groups < self.in_channels

    @property
    def structure(self) -> str:
        return f"{self.spatial.structure} + 1x1"

    def compositions(self, map_size: Sequence[int]) -> tuple[Composition, ...]:
        separate = Composition(self.spatial.kernels(map_size), self.pointwise.weight, self.pointwise.groups)
        # With one filter per channel, a single convolution would take at least as many multiplications.
        return (separate, Composition(self.kernels(map_size))) if self.expansion > 1 else (separate,)

    def match_(self, taps: Tensor, size: Sequence[int]) -> float | None:
        if self.spatial.groups != self.in_channels:
            return None  # filters that read several channels cannot be factored one channel at a time
        return factor_(self.spatial.filter, self.pointwise, taps, size)

    def tie_to(self, other: SpatialLayer) -> bool:
        if not isinstance(other, LCConv) or self.pointwise.weight.shape != other.pointwise.weight.shape:
            return False
        # Last of the checks, since it changes the spatial part if it succeeds.
        if not self.spatial.tie_to(other.spatial):
            return False
        self.pointwise.weight = other.pointwise.weight
        return True

    def extra_repr(self) -> str:
        return f"expansion={self.expansion}"


@final
class LCConv1d(LCConv):
    """`LCConv2d` for one spatial axis."""

    ndim = 1


@final
class LCConv2d(LCConv):
    """The linear-combination block of Gavrikov & Keuper 2023, with frequency filters.

    y[o] = sum_k P[o, k] (w * x)[k]: spatial filters w, then a 1x1 convolution P. With enough frozen random
    filters for each channel, learning P alone can produce any kernel. The two convolutions are computed in one pass in
    frequency: a block with global filters transforms in_channels maps forward and out_channels maps back, whatever the
    expansion.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, padding_mode, filter, device, dtype: see
            `FrequencyConv2d`.
        method: how the spatial part is computed; see `FrequencyConv2d`.
        bias: whether the 1x1 convolution has a bias.
        expansion: E, spatial filters per input channel if `depthwise`, else per output channel.
        depthwise: in_channels * E filters, each of which reads one channel; or out_channels * E, which read all.
        groups: groups of the 1x1 convolution, and of the spatial one if not `depthwise`.

    Attributes:
        spatial: the `FrequencyConv2d`, without bias; its filters start with gain 1.
        pointwise: the 1x1 `nn.Conv2d`. Only its weight is read: hooks on the module do not run.

    Raises:
        TypeError, ValueError: as `FrequencyConv2d`; `expansion` below 1.

    >>> block = LCConv2d(8, 16, expansion=4)
    >>> block.spatial.out_channels, block(torch.randn(2, 8, 14, 14)).shape
    (32, torch.Size([2, 16, 14, 14]))
    >>> block.combined_taps(14).shape
    torch.Size([16, 8, 14, 14])
    """

    ndim = 2


@final
class LCConv3d(LCConv):
    """`LCConv2d` for three spatial axes."""

    ndim = 3


def lc_class(ndim: int) -> type[LCConv]:
    """The block for 1, 2 or 3 spatial axes."""
    return {1: LCConv1d, 2: LCConv2d, 3: LCConv3d}[ndim]
