"""The layer that takes the place of a convolution."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from nifconv._support.arguments import ints_per_axis
from nifconv._support.modules import move_hooks
from nifconv.conversion._unsupported import padding_for
from nifconv.filters import (
    FilterFactory,
    FrequencyFilter,
    SpatialFilter,
    for_layer,
    needs_kernel_size,
    read_spec,
    write_spec,
)
from nifconv.layers import ConvNd, FrequencyConv, LCConv, conv_gain, effective_weight, layer_class, lc_class

To = str | Callable[[str, nn.Module], nn.Module | None]


@dataclass(frozen=True)
class Plan:
    """What `convert` puts in the place of every chosen convolution; its arguments of the same names."""

    to: To
    expansion: int
    filter: FilterFactory
    kernel_size: int | Sequence[int] | None
    padding_mode: str | None
    """None for that of the replaced layer."""
    match: bool

    def to_spec(self) -> dict[str, Any]:
        """Data ready for JSON, that `from_spec` reads.

        Raises:
            ValueError: `to` is a function, or the filter is not of this library.
        """
        if callable(self.to):
            raise ValueError(
                f"to={self.to!r} cannot be written into a file; save model.state_dict(), and convert with the same "
                "function before loading it"
            )
        return {**vars(self), "filter": write_spec(self.filter), "kernel_size": write_spec(self.kernel_size)}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Plan:
        """The plan that `to_spec` described.

        Raises:
            ValueError: it describes none.
        """
        return cls(**{**spec, "filter": read_spec(spec.get("filter"))})

    def kernel_for(self, conv: ConvNd) -> tuple[int, ...] | None:
        """Taps per axis of the new layer, None for as many as the map has pixels."""
        if self.kernel_size is not None:
            return ints_per_axis("kernel_size", self.kernel_size, len(conv.stride))
        return conv.kernel_size if needs_kernel_size(self.filter) else None

    def build(self, name: str, conv: ConvNd) -> FrequencyConv | LCConv:
        """A fresh layer with the gain and the geometry of `conv`; without its bias, hooks and state."""
        kernel = self.kernel_for(conv)
        ndim = len(conv.stride)
        geometry = (
            conv.in_channels,
            conv.out_channels,
            kernel,
            conv.stride,
            padding_for(conv, kernel),
            1 if kernel is None else conv.dilation,
        )
        bias, mode = conv.bias is not None, self.padding_mode or conv.padding_mode
        factory = for_layer(self.filter, name)
        gain = conv_gain(conv)
        if self.to == "dense" or (self.to == "split" and conv.groups == conv.in_channels):
            layer = layer_class(ndim)(*geometry, conv.groups, bias, mode, filter=factory)
            layer.filter.rescale_(gain / layer.filter.initial_gain)
            return layer
        block = lc_class(ndim)(*geometry, bias, mode, expansion=self.expansion, groups=conv.groups, filter=factory)
        bound = gain * math.sqrt(3 / block.pointwise.weight.shape[1])
        nn.init.uniform_(block.pointwise.weight, -bound, bound)
        return block


def adopt(new: nn.Module, conv: ConvNd) -> None:
    """Gives a module in the place of `conv` its device, dtype, train/eval state, bias, `requires_grad` and hooks."""
    weight = effective_weight(conv)
    new.to(weight.device, weight.dtype).train(conv.training)
    own_layer = isinstance(new, FrequencyConv | LCConv)
    if own_layer and not any(p.requires_grad for p in _weights(conv)):
        shared = [m for m in new.modules() if isinstance(m, FrequencyFilter) and m.shared]
        kept = {parameter for module in shared for parameter in module.parameters()}
        for parameter in set(new.parameters()) - kept:
            parameter.requires_grad_(False)
    if own_layer and conv.bias is not None:
        last = new.pointwise if isinstance(new, LCConv) else new
        last.bias = conv.bias
    move_hooks(new, conv)


def carries_parametrization(new: FrequencyConv, conv: ConvNd) -> bool:
    """Whether the new layer has a weight of the same meaning, which a parametrization of the old one can move to."""
    return (
        isinstance(new.filter, SpatialFilter)
        and not new.filter.shared
        and new.filter.frozen_seed is None
        and new.filter.weight.shape == effective_weight(conv).shape
    )


def move_parametrization(new: FrequencyConv, conv: ConvNd, *, keep_weight: bool) -> None:
    """Moves the parametrization of the weight of `conv` to the taps of the new layer.

    Args:
        new: a layer for which `carries_parametrization` holds.
        conv: a convolution with a parametrized weight.
        keep_weight: whether the taps are then those of `conv`, or the nearest to those of the new layer that the
            parametrization can express; where it has no inverse, they are those of `conv` in any case.
    """
    fresh = new.filter.weight.detach().clone()  # type: ignore[operator]
    # A copy, since registering a parametrization may set its buffers by the weight it finds.
    parametrize.transfer_parametrizations_and_params(copy.deepcopy(conv).eval(), new.filter.eval(), "weight")
    moved, source = (m.get_submodule("parametrizations.weight") for m in (new.filter, conv))
    moved.load_state_dict(source.state_dict())
    for own, original in zip(moved.parameters(), source.parameters(), strict=True):
        own.requires_grad_(original.requires_grad)
    if not keep_weight and all(hasattr(step, "right_inverse") for step in moved.children()):
        with torch.no_grad():
            new.filter.weight = fresh


def share(new: nn.Module, first: nn.Module) -> bool:
    """Makes a layer use the weights of another one, as the convolutions they replace did; False if it cannot."""
    if isinstance(new, LCConv) and isinstance(first, LCConv):
        if new.pointwise.weight.shape != first.pointwise.weight.shape or not share(new.spatial, first.spatial):
            return False
        new.pointwise.weight = first.pointwise.weight
        return True
    if not isinstance(new, FrequencyConv) or not isinstance(first, FrequencyConv):
        return False
    if (new.filter.out_channels, new.filter.in_channels) != (first.filter.out_channels, first.filter.in_channels):
        return False
    new.filter = first.filter
    return True


def _weights(conv: nn.Module) -> list[nn.Parameter]:
    if parametrize.is_parametrized(conv):
        return list(conv.get_submodule("parametrizations").parameters())
    return [conv.weight]  # type: ignore[list-item]
