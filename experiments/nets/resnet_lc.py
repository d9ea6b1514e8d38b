"""ResNet-LC: the CIFAR ResNet of Gavrikov & Keuper 2023, every 3x3 convolution a linear-combination block.

ResNet-LC-{depth}-{width}xE has `width` channels in its first stage and E spatial filters for each output channel.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from nifconv import ImplicitFilter, LCConv2d
from nifconv.filters import FilterFactory, for_layer, read_filter

_STAGES = 3
_CONVS_PER_BLOCK = 2
_MakeConv = Callable[[int, int, int, str], nn.Module]
"""(in_channels, out_channels, stride, name of the layer) -> the convolution."""


def resnet_lc(
    depth: int = 20,
    width: int = 16,
    *,
    expansion: int | None = None,
    kernel_size: int | None = 3,
    padding_mode: str | None = None,
    filter: FilterFactory | str | dict[str, Any] = ImplicitFilter,
    activation: Callable[[int], nn.Module] | None = None,
    classes: int = 10,
    in_channels: int = 3,
) -> nn.Sequential:
    """ResNet-LC-{depth}-{width}x{expansion} for images of 32x32, or the plain ResNet if `expansion` is None.

    A stem, three stages of (depth - 2) / 6 basic blocks with width, 2 * width and 4 * width channels, the second and
    third stage with stride 2, global average pooling and a linear layer (Gavrikov & Keuper 2023, sec. 3; He et al.
    2016, sec. 4.2). All convolutions, the stem's too, are LC blocks with `depthwise=False` and without bias.

    Args:
        depth: 6n + 2 for n blocks in each stage.
        width: channels of the first stage.
        expansion: E, spatial filters for each output channel; None for `nn.Conv2d` instead of LC blocks, in which
            case `padding_mode`, `filter` and `activation` are ignored.
        kernel_size: None for kernels as large as the map.
        padding_mode: padding of LC blocks; by default that of the paper, "zeros", for kernels of a given size, and
            "circular" for those as large as the map.
        filter: filter of all LC blocks, or what `nifconv.filters.read_filter` takes. A frozen one is drawn for each
            layer from its seed and the layer's name; a `FilterBank` is shared by all.
        activation: makes the module between spatial filters and 1x1 convolution from the number of spatial filters;
            by default there is none.
        classes: number of logits.
        in_channels: channels of the images.

    Raises:
        ValueError: `depth` is not 6n + 2; a plain ResNet without `kernel_size`.

    >>> import torch
    >>> resnet_lc(20, 16, expansion=8)(torch.randn(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    per_stage, rest = divmod(depth - 2, _STAGES * _CONVS_PER_BLOCK)
    if rest or per_stage < 1:
        raise ValueError(f"depth={depth} must be 6n + 2 for n blocks in each of 3 stages; use 8, 14, 20, 26, ...")
    if expansion is None:
        make_conv = _plain(kernel_size)
    else:
        make_conv = _lc(
            expansion, kernel_size, padding_mode, filter if callable(filter) else read_filter(filter), activation
        )
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=make_conv(in_channels, width, 1, "stem"), norm=nn.BatchNorm2d(width), relu=nn.ReLU(inplace=True)
    )
    channels = width
    for stage in range(_STAGES):
        for block in range(per_stage):
            name = f"stage{stage + 1}_block{block + 1}"
            widened = width * 2**stage
            layers[name] = BasicBlock(channels, widened, 2 if stage and not block else 1, make_conv, name)
            channels = widened
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)


class BasicBlock(nn.Module):
    """Two convolutions with BatchNorm, and a shortcut around them that has no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, make_conv: _MakeConv, name: str) -> None:
        super().__init__()
        self.conv1 = make_conv(in_channels, out_channels, stride, f"{name}.conv1")
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = make_conv(out_channels, out_channels, 1, f"{name}.conv2")
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut = Shortcut(in_channels, out_channels, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        return self.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class Shortcut(nn.Module):
    """Option A of He et al. 2016: keep every stride-th pixel, and add channels of zeros, as many before as after.

    Args:
        in_channels: of the input.
        out_channels: of the output, at least as many.
        stride: on both axes.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        before = (out_channels - in_channels) // 2
        self.padding = (before, out_channels - in_channels - before)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        kept = x[..., :: self.stride, :: self.stride]
        return nn.functional.pad(kept, (0, 0, 0, 0, *self.padding)) if any(self.padding) else kept


class ActivatedBlock(nn.Module):
    """An LC block with something between its spatial filters and its 1x1 convolution.

    Args:
        block: the block, without it.
        activation: takes and returns the responses of the spatial filters.
    """

    def __init__(self, block: LCConv2d, activation: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block.pointwise(self.activation(self.block.spatial(x)))
        return y


def _plain(kernel_size: int | None) -> _MakeConv:
    if kernel_size is None:
        raise ValueError("kernel_size=None needs LC blocks; give an expansion, or a kernel_size for the plain ResNet")
    size = kernel_size

    def make(in_channels: int, out_channels: int, stride: int, name: str) -> nn.Module:  # noqa: ARG001
        return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, bias=False)

    return make


def _lc(
    expansion: int,
    kernel_size: int | None,
    padding_mode: str | None,
    filter: FilterFactory,
    activation: Callable[[int], nn.Module] | None,
) -> _MakeConv:
    boundary = padding_mode or ("circular" if kernel_size is None else "zeros")

    def make(in_channels: int, out_channels: int, stride: int, name: str) -> nn.Module:
        block = LCConv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            bias=False,
            padding_mode=boundary,
            expansion=expansion,
            depthwise=False,
            filter=for_layer(filter, name),
        )
        return block if activation is None else ActivatedBlock(block, activation(out_channels * expansion))

    return make
