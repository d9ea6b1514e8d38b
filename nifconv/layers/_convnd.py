"""Reading an `nn.ConvNd`: its weight as it is applied, its gain, its alignment."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nifconv._support import forward
from nifconv.filters import DEFAULT_GAIN

ConvNd = nn.modules.conv._ConvNd  # the transposed and lazy ones too, which are only reported


def class_name(module: nn.Module) -> str:
    """Name of the class that the user wrote, also behind TorchScript and parametrizations."""
    if isinstance(module, torch.jit.ScriptModule):
        return module.original_name
    return parametrize.type_before_parametrizations(module).__name__


def effective_weight(conv: nn.Module) -> Tensor:
    """The weight a convolution works with, detached; a parametrized one is read without a change to its state."""
    with forward.evaluating(conv), torch.no_grad():
        weight = conv.weight
    assert isinstance(weight, Tensor)  # noqa: S101 - for the type checker
    return weight.detach()


def conv_gain(conv: ConvNd) -> float:
    """std(output) / std(input) of an `nn.ConvNd` under white input, over all output channels, without the bias.

    On the meta device, where weights have no values, that of a freshly made one.
    """
    weight = effective_weight(conv)
    if weight.is_meta:
        return DEFAULT_GAIN
    return math.sqrt(weight.double().square().sum().item() / conv.out_channels)


def first_pixel(conv: ConvNd) -> tuple[int, ...]:
    """How many pixels before the output pixel, without the stride, the first tap lies: the padding before each axis."""
    if conv.padding == "same":
        return tuple(d * (k - 1) // 2 for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    return (0,) * len(conv.kernel_size) if isinstance(conv.padding, str) else conv.padding
