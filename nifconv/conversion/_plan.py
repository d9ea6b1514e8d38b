"""What `convert` was asked to replace convolutions by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from nifconv._support.arguments import choice, ints_per_axis, positive_int
from nifconv.conversion._filters import Filters, check_filters, entry_for, read_written, write_filters
from nifconv.conversion._unsupported import padding_for
from nifconv.filters import FilterFactory, for_layer, needs_kernel_size, write_spec
from nifconv.functional import PADDING_MODES
from nifconv.layers import ConvNd, SpatialLayer, conv_gain, layer_class, lc_class

To = str | Callable[[str, nn.Module], nn.Module | None]


@dataclass(frozen=True)
class Plan:
    """The arguments of `convert` that describe the new layers, under the same names.

    Raises:
        TypeError: `filter` is not a filter factory, or `expansion` is not an integer.
        ValueError: `to` or `padding_mode` is unknown, or `expansion` is below 1 or given without `to="lc"`.
    """

    to: To
    expansion: int
    filter: Filters
    kernel_size: int | Sequence[int] | None
    padding_mode: str | None
    """None for that of the replaced convolution; without `match`, "circular" for kernels as large as the map."""
    match: bool

    def __post_init__(self) -> None:
        if not callable(self.to):
            choice("to", self.to, ("split", "dense", "lc"))
        if self.padding_mode is not None:
            choice("padding_mode", self.padding_mode, PADDING_MODES)
        if positive_int("expansion", self.expansion) > 1 and self.to != "lc":
            raise ValueError(
                f"expansion={self.expansion} has no meaning for to={self.to!r}; use to='lc', or expansion=1"
            )
        check_filters(self.filter)

    def to_spec(self) -> dict[str, Any]:
        """Data ready for JSON, which `from_spec` reads.

        Raises:
            ValueError: `to` is a function, or the filter is not one of this library.
        """
        if callable(self.to):
            raise ValueError(
                f"to={self.to!r} cannot be written into a file; save model.state_dict(), and convert with the same "
                "function before loading it"
            )
        return {**vars(self), "filter": write_filters(self.filter), "kernel_size": write_spec(self.kernel_size)}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Plan:
        """The plan that `to_spec` described.

        Raises:
            TypeError, ValueError: `spec` does not describe one.
        """
        return cls(**{**spec, "filter": read_written(spec.get("filter"))})

    def for_layer(self, names: tuple[str, ...]) -> Plan | None:
        """The plan with the one filter that the layer of these names gets, or None if it gets none."""
        if not isinstance(self.filter, Mapping):
            return self
        key = entry_for(self.filter, names)
        factory = None if key is None else self.filter[key]
        return None if factory is None else replace(self, filter=factory)

    def kernel_for(self, conv: ConvNd) -> tuple[int, ...] | None:
        """Taps per axis of the new layer, None for as many as the map has pixels; for a plan with one filter."""
        if self.kernel_size is not None:
            return ints_per_axis("kernel_size", self.kernel_size, len(conv.stride))
        # Taps need a size even where none was asked for: that of the replaced convolution.
        return conv.kernel_size if needs_kernel_size(self._filter) else None

    def build(self, name: str, conv: ConvNd) -> SpatialLayer:
        """A newly initialised layer with the gain and the geometry of `conv`; without its bias, hooks and state."""
        kernel = self.kernel_for(conv)
        ndim = len(conv.stride)
        # In the order of the constructors of both layers, which differ after these.
        geometry = (
            conv.in_channels,
            conv.out_channels,
            kernel,
            conv.stride,
            padding_for(conv, kernel),
            1 if kernel is None else conv.dilation,  # a kernel as large as the map has its taps one pixel apart
        )
        bias, mode = conv.bias is not None, self._padding_mode(conv, kernel)
        factory = for_layer(self._filter, name)
        gain = conv_gain(conv)
        if self.to == "dense" or (self.to == "split" and conv.groups == conv.in_channels):
            layer = layer_class(ndim)(*geometry, conv.groups, bias, mode, filter=factory)
            # Not `gain=` of the factory, which a function or a shared bank need not take.
            layer.filter.rescale_(gain / layer.filter.initial_gain)
            return layer
        block = lc_class(ndim)(*geometry, bias, mode, expansion=self.expansion, groups=conv.groups, filter=factory)
        # The spatial filters have gain 1. Uniform weights within +-b have variance b^2 / 3, and each output sums
        # over weight.shape[1] of them, so this gives the block the gain of `conv`.
        bound = gain * math.sqrt(3 / block.pointwise.weight.shape[1])
        nn.init.uniform_(block.pointwise.weight, -bound, bound)
        return block

    @property
    def _filter(self) -> FilterFactory:
        assert not isinstance(self.filter, Mapping)  # noqa: S101 - layers are built from what `for_layer` returns
        return self.filter

    def _padding_mode(self, conv: ConvNd, kernel: tuple[int, ...] | None) -> str:
        if self.padding_mode is not None:
            return self.padding_mode
        return "circular" if kernel is None and not self.match else conv.padding_mode
