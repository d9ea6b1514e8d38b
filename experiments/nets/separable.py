"""The small separable network, with plain kernels of any size or with global frequency kernels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import partial
from typing import Literal

from torch import nn

from nifconv import convert
from nifconv.filters import FilterFactory

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
_WIDEST = 512


def separable_net(
    width: int,
    kernel_size: int,
    *,
    classes: int,
    depth: int,
    padding_mode: PaddingMode = "circular",
    halve_after: Collection[int] = (),
    pool: Callable[[int], nn.Module] = nn.AdaptiveAvgPool2d,
    in_channels: int = 1,
    patch: int = 1,
) -> nn.Sequential:
    """Stem 1x1 (or patches), `depth` times (depthwise convolution, 1x1, BatchNorm, ReLU), global pooling, linear.

    Only the depthwise convolutions look beyond a pixel: the receptive field is depth * (kernel_size - 1) + 1. Padding
    is circular by default, as for the frequency convolutions.

    Args:
        width: channels of all layers.
        kernel_size: kernel size of the depthwise convolutions.
        classes: number of logits.
        depth: number of blocks.
        padding_mode: padding of the depthwise convolutions, as in `nn.Conv2d`.
        halve_after: blocks, counted from 0, followed by 2x2 max pooling.
        pool: makes the global pooling when called with 1.
        in_channels: channels of the images.
        patch: side of the stem's patches, which do not overlap.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=pointwise(in_channels, width, patch))
    for index in range(depth):
        layers[f"spatial{index}"] = nn.Conv2d(
            width, width, kernel_size, padding="same", groups=width, bias=False, padding_mode=padding_mode
        )
        layers[f"mix{index}"] = pointwise(width, width)
        if index in halve_after:
            layers[f"halve{index}"] = nn.MaxPool2d(2)
    layers["pool"] = pool(1)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(width, classes)
    return nn.Sequential(layers)


def frequency_net(width: int, filter: FilterFactory, *, classes: int, depth: int) -> nn.Module:
    """`separable_net`, its depthwise convolutions converted to frequency convolutions as large as the map."""
    return convert(separable_net(width, 3, classes=classes, depth=depth), filter=filter).model


def parameters(model: nn.Module) -> int:
    """The number of learnable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def matching_width(target: int, kernel_size: int, *, classes: int, depth: int) -> int:
    """The width that brings `separable_net` closest to `target` parameters."""
    count = partial(separable_net, kernel_size=kernel_size, classes=classes, depth=depth)
    return min(range(1, _WIDEST), key=lambda width: abs(parameters(count(width)) - target))


def pointwise(in_channels: int, out_channels: int, patch: int = 1) -> nn.Sequential:
    """1x1 convolution (or of patches that do not overlap), BatchNorm, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, patch, stride=patch, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
