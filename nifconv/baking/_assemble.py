"""Building `nn.ConvNd` modules from given kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nifconv._support.modules import move_hooks
from nifconv.layers import CONVS, Composition, SpatialLayer

_PADDING_LAYERS = {
    "zeros": "ZeroPad",
    "circular": "CircularPad",
    "reflect": "ReflectionPad",
    "replicate": "ReplicationPad",
}


def assemble(
    layer: SpatialLayer, kernel: Tensor, padding: list[tuple[int, int]], way: Composition
) -> tuple[nn.Module, Any]:
    """The plain convolutions for a layer, and the one among them that has the spatial kernel.

    Args:
        layer: the layer with the stride, dilation, padding mode and bias.
        kernel: the taps of `way`, truncated.
        padding: pixels (before, after) for each axis.
        way: the composition, for the 1x1 convolution that follows, if there is one.
    """
    modules = _convolution(layer, kernel, padding)
    return complete(layer, modules, way), modules[-1]


def complete(layer: SpatialLayer, modules: Sequence[Any], way: Composition) -> nn.Module:
    """The module that replaces a layer: its spatial part, then its 1x1 convolution and bias; the hooks move to it.

    Args:
        layer: the layer with the bias.
        modules: the modules of the spatial part, the last of which has a `bias` that is None.
        way: the composition, for the 1x1 convolution that follows, if there is one.
    """
    if way.pointwise is not None:
        modules = [*modules, _from_weight(way.pointwise, groups=way.pointwise_groups)]
    bias = layer.bias_holder.bias
    if bias is not None:
        # The last module is the one whose channels the bias belongs to: the 1x1 convolution, if there is one.
        modules[-1].bias = nn.Parameter(bias.detach().clone())  # type: ignore[operator]
    module = modules[0] if len(modules) == 1 else nn.Sequential(*modules)
    # All or nothing: a plain kernel may combine weights that are trained with weights that are not.
    module.requires_grad_(any(p.requires_grad for p in layer.parameters()))
    move_hooks(module, layer)
    return module


def _convolution(layer: SpatialLayer, kernel: Tensor, padding: list[tuple[int, int]]) -> list[Any]:
    """A plain convolution, after a padding layer where the two sides of an axis differ in padding."""
    modules: list[Any] = []
    if all(d == 1 for d in layer.dilation):
        # "same" adds the odd pixel of an even kernel after the map. A zero tap in front makes both sides equal, which
        # saves the copy that a padding layer makes; with a dilation it would shift the kernel by more than one pixel.
        lead = [after - before for before, after in padding]
        kernel = nn.functional.pad(kernel, [n for odd in reversed(lead) for n in (odd, 0)])
        padding = [(after, after) for _, after in padding]
    if any(before != after for before, after in padding):
        pad = getattr(nn, f"{_PADDING_LAYERS[layer.padding_mode]}{layer.ndim}d")
        modules.append(pad([n for pair in reversed(padding) for n in pair]))  # torch pads the last axis first
        padding = [(0, 0)] * layer.ndim
    conv = _from_weight(
        kernel,
        groups=layer.in_channels // kernel.shape[1],
        stride=layer.stride,
        padding=tuple(before for before, _ in padding),
        dilation=layer.dilation,
        padding_mode=layer.padding_mode,
    )
    return [*modules, conv]


def _from_weight(weight: Tensor, *, groups: int, **geometry: Any) -> Any:
    """An `nn.ConvNd` without bias; its own initialisation, which would use up random numbers, is skipped."""
    kind = CONVS[weight.dim() - 2]
    channels = (groups * weight.shape[1], weight.shape[0])
    conv = nn.utils.skip_init(kind, *channels, tuple(weight.shape[2:]), groups=groups, bias=False, **geometry)
    conv.weight = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
    return conv
