"""Linear-combination blocks: spatial filters, then a 1x1 convolution, and nothing between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from nifconv._support.arguments import groups_of, positive_int
from nifconv.filters import FilterFactory, ImplicitFilter
from nifconv.layers._conv import layer_class, move_to
from nifconv.spectral import combine

_POINTWISE = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class LCConv(nn.Module, ABC):
    """What the 1-d, 2-d and 3-d blocks share; see `LCConv2d` for arguments and behaviour."""

    @property
    @abstractmethod
    def ndim(self) -> int:
        """Number of spatial axes."""

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
        super().__init__()
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.expansion = positive_int("expansion", expansion)
        self.groups = groups_of(groups, in_channels, out_channels)
        channels = (in_channels if depthwise else out_channels) * expansion
        self.spatial = layer_class(self.ndim)(
            in_channels,
            channels,
            kernel_size,
            stride,
            padding,
            dilation,
            in_channels if depthwise else groups,
            bias=False,
            padding_mode=padding_mode,
            filter=filter,
            method=method,
        )
        # The responses have the variance of the input, and the 1x1 convolution then gives the block its own gain.
        self.spatial.filter.rescale_(1 / self.spatial.filter.initial_gain)
        self.pointwise = _POINTWISE[self.ndim](channels, out_channels, 1, groups=groups, bias=bias)
        move_to(self, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        y = self.spatial(input, self.pointwise.weight)
        if self.pointwise.bias is not None:
            y = y + self.pointwise.bias.to(y.dtype).view(-1, *(1,) * self.ndim)
        return y

    @property
    def kernel_size(self) -> tuple[int, ...] | None:
        """Of the spatial filters, as are the following; None if they are as large as the map."""
        return self.spatial.kernel_size

    @property
    def stride(self) -> tuple[int, ...]:
        return self.spatial.stride

    @property
    def padding(self) -> tuple[int, ...] | str:
        return self.spatial.padding

    @property
    def dilation(self) -> tuple[int, ...]:
        return self.spatial.dilation

    @property
    def padding_mode(self) -> str:
        return self.spatial.padding_mode

    def combined_taps(self, size: int | Sequence[int]) -> Tensor:
        """The kernels that the block applies as a whole, real, `(out_channels, in_channels // groups, *size)`.

        Each is a linear combination of spatial kernels (Gavrikov & Keuper 2023, lemma 3.1).

        Args:
            size: `spatial.applied_size(map)` for the kernels on a map.
        """
        taps = self.spatial.filter.taps(size)
        return combine(taps, self.pointwise.weight.flatten(1).to(taps.dtype), self.spatial.groups)

    def extra_repr(self) -> str:
        return f"expansion={self.expansion}"


@final
class LCConv1d(LCConv):
    """`LCConv2d` for one spatial axis."""

    ndim = 1


@final
class LCConv2d(LCConv):
    """The linear-combination block of Gavrikov & Keuper 2023, with frequency filters.

    y[o] = sum_k P[o, k] (w[k] * x)[k]: spatial filters w, then a 1x1 convolution P. With many frozen random filters
    for each channel, learning P alone is enough to make any kernel. Both are computed in one pass in frequency: a
    block with global filters transforms in_channels maps forward and out_channels maps back, whatever the expansion.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, padding_mode, filter, device, dtype: see
            `FrequencyConv2d`.
        method: of the spatial part; see `FrequencyConv2d`.
        bias: of the 1x1 convolution.
        expansion: E, spatial filters per input channel if `depthwise`, else per output channel.
        depthwise: in_channels * E filters, each of which sees one channel; or out_channels * E, which see all.
        groups: of the 1x1 convolution, and of the spatial one if not `depthwise`.

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
