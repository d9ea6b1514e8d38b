"""What became of the frequency layers of a model that was baked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class BakedLayer:
    """What became of one frequency layer.

    Attributes:
        name: where it stands in the model.
        aliases: where else, if one module stands at several places.
        map_sizes: the maps that the example input brought it, in pixels.
        kernel_before: taps per axis of the kernels as applied there.
        kernel_after: taps per axis of the plain convolution; None if the layer was kept.
        bound: the largest change of an output pixel for inputs between -1 and 1, relative to the largest output
            that such inputs can give; None if the layer was kept.
        error: |new output - old output| / |old output| on the maps of the example input.
        smallest_map: the smallest map on which the plain convolution runs, in pixels per axis.
        parameters_before: of the layer, frozen ones included.
        parameters_after: of the plain convolution.
        reason: why the layer was kept, or "".
    """

    name: str
    aliases: tuple[str, ...]
    map_sizes: tuple[tuple[int, ...], ...]
    kernel_before: tuple[int, ...] | None = None
    kernel_after: tuple[int, ...] | None = None
    bound: float | None = None
    error: float | None = None
    smallest_map: tuple[int, ...] | None = None
    parameters_before: int = 0
    parameters_after: int = 0
    reason: str = ""


@dataclass(frozen=True)
class BakeReport:
    """What `bake` did; printable.

    Attributes:
        layers: one entry for each frequency layer, in the order of the model.
        tolerance: what was asked for.
        error: the largest |new - old| / |old| over the output tensors of the model on the example input.
        seconds_before: median time of one run on the example input, before.
        seconds_after: the same, after.
    """

    layers: tuple[BakedLayer, ...]
    tolerance: float
    error: float
    seconds_before: float
    seconds_after: float

    @property
    def kept(self) -> tuple[BakedLayer, ...]:
        """The layers that are still frequency layers."""
        return tuple(layer for layer in self.layers if layer.reason)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        before = sum(layer.parameters_before for layer in self.layers)
        after = sum(layer.parameters_after for layer in self.layers)
        lines = [
            f"baked {len(self.layers) - len(self.kept)} of {len(self.layers)} frequency layers; their parameters: "
            f"{before:,} -> {after:,}",
            f"output changed by {self.error:.2g} of its norm; one run {self.seconds_before:.3g} s -> "
            f"{self.seconds_after:.3g} s",
        ]
        width = max((len(layer.name) for layer in self.layers), default=0)
        lines += [f"  {layer.name:<{width}}  {layer.reason or _sizes(layer)}" for layer in self.layers]
        if any(layer.smallest_map for layer in self.layers):
            lines.append(
                "the baked model runs on other input sizes too, where every map has the size given; its kernels stay "
                "those of the maps it was baked on"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Baked:
    """The baked model and the report on it."""

    model: nn.Module
    report: BakeReport


def _sizes(layer: BakedLayer) -> str:
    before, after, smallest = (
        "x".join(map(str, size or ())) for size in (layer.kernel_before, layer.kernel_after, layer.smallest_map)
    )
    return f"{before} -> {after} taps, bound {layer.bound:.2g}, error {layer.error:.2g}, maps from {smallest}"
