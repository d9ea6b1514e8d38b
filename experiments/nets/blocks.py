"""One small net for each of four kinds of blocks, as they come with torchvision and here."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck

from experiments.nets.convnext import Block, convnext
from experiments.nets.separable import pointwise

BASIC, BOTTLENECK, MOBILENET, CONVNEXT = "BasicBlock", "Bottleneck", "MobileNet", "ConvNeXt"
KINDS = (BASIC, BOTTLENECK, MOBILENET, CONVNEXT)
_EXPAND = 4


def block_net(kind: str, width: int, *, classes: int, in_channels: int = 3) -> nn.Sequential:
    """Patches of 2x2 pixels, three blocks, the second of which halves the map, global pooling, linear.

    Pooling takes means, and in a ConvNeXt, which has no BatchNorm, maxima: with means it learns nothing in a few
    hundred steps.

    Args:
        kind: one of `KINDS`.
        width: channels before the second block, and twice as many after it; in a Bottleneck, those of its 3x3
            convolution, and four times as many outside.
        classes: number of logits.
        in_channels: channels of the images.
    """
    if kind == CONVNEXT:
        net = convnext(width, (1, 1, 1), classes=classes, in_channels=in_channels)
        for module in net.modules():
            if isinstance(module, Block):
                nn.init.ones_(module.scale)  # scales near zero need more steps than such nets are trained for
        net.pool = nn.AdaptiveMaxPool2d(1)
        return net
    if kind == BOTTLENECK:
        width *= Bottleneck.expansion
    wide = 2 * width
    return nn.Sequential(
        OrderedDict(
            stem=pointwise(in_channels, width, 2),
            block1=_block(kind, width, width),
            block2=_block(kind, width, wide),
            block3=_block(kind, wide, wide),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(wide, classes),
        )
    )


def _block(kind: str, channels: int, out: int) -> nn.Module:
    """With stride 2 where the channels change."""
    stride = 1 if channels == out else 2
    if kind == MOBILENET:
        return InvertedResidual(channels, out, stride, _EXPAND)
    shortcut = None
    if stride > 1:
        shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    if kind == BASIC:
        return BasicBlock(channels, out, stride, shortcut)
    return Bottleneck(channels, out // Bottleneck.expansion, stride, shortcut)
