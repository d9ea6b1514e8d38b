"""Reading an `nn.ConvNd`: its kernels, its weight as it is applied, its gain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nifconv._support import forward
from nifconv.filters import DEFAULT_GAIN
from nifconv.layers._base import ConvNd, Convolution

CONVS: dict[int, type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
"""torch's convolutions by number of spatial axes."""


@final
class ConvNdView(Convolution):
    """An `nn.ConvNd` as a `Convolution`; it holds no state of its own."""

    def __init__(self, conv: ConvNd) -> None:
        self.conv = conv
        self.in_channels, self.out_channels, self.groups = conv.in_channels, conv.out_channels, conv.groups
        self.kernel_size: tuple[int, ...] = conv.kernel_size
        self.stride, self.dilation = conv.stride, conv.dilation
        self.padding, self.padding_mode = conv.padding, conv.padding_mode
        self.transposed = conv.transposed

    @property
    def ndim(self) -> int:
        return len(self.stride)

    @property
    def probe(self) -> nn.Module:
        return self.conv

    def kernels(self, map_size: int | Sequence[int] | None) -> Tensor:  # noqa: ARG002 - the same on every map
        return self.conv.weight

    def weights(self) -> list[nn.Parameter]:
        # Not `conv.weight`, which under a parametrization is computed and not a parameter.
        return [parameter for name, parameter in self.conv.named_parameters() if name != "bias"]

    @property
    def leading_padding(self) -> tuple[int, ...]:
        """Pixels of padding before each axis."""
        return tuple(before for before, _ in self.padding_per_axis(self.kernel_size))


def as_convolution(module: nn.Module) -> Convolution | None:
    """A module as a `Convolution`, or None if it is not one."""
    if isinstance(module, Convolution):
        return module
    return ConvNdView(module) if isinstance(module, ConvNd) else None


def spatial_convolutions(model: nn.Module) -> Iterator[tuple[str, nn.Module, Convolution]]:
    """Name, module and view of every convolution with more than one tap, apart from transposed ones."""
    for name, module in model.named_modules():
        convolution = as_convolution(module)
        if convolution is not None and not convolution.transposed and not convolution.is_pointwise:
            yield name, module, convolution


def class_name(module: nn.Module) -> str:
    """Name of the class that the user wrote, even under TorchScript and parametrizations, which replace the class."""
    if isinstance(module, torch.jit.ScriptModule):
        return module.original_name
    return parametrize.type_before_parametrizations(module).__name__


def effective_weight(conv: nn.Module) -> Tensor:
    """The weight that a convolution applies, detached; reading a parametrized one does not change its state."""
    # In train mode each reading would run a step of the power iteration of spectral_norm.
    with forward.evaluating(conv), torch.no_grad():
        weight = conv.weight
    assert isinstance(weight, Tensor)  # noqa: S101 - for the type checker
    return weight.detach()


def conv_gain(conv: ConvNd) -> float:
    """std(output) / std(input) of an `nn.ConvNd` under white input, over all output channels, without the bias.

    On the meta device, where weights have no values, the gain of a newly initialised one.
    """
    weight = effective_weight(conv)
    if weight.is_meta:
        return DEFAULT_GAIN
    # White input: an output has the variance of the sum of its squared taps, here averaged over the outputs.
    return math.sqrt(weight.double().square().sum().item() / conv.out_channels)
