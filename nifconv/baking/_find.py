"""The frequency layers of a model, and the maps that reach them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from nifconv._support import forward
from nifconv.layers import SpatialLayer
from nifconv.parameters import count_parameters


@dataclass(frozen=True, eq=False)
class Found:
    """A frequency layer, all its names in the model, and the maps that reach it."""

    layer: SpatialLayer
    names: tuple[str, ...]
    map_sizes: tuple[tuple[int, ...], ...]


def find_layers(model: nn.Module, example_input: forward.ExampleInput) -> list[Found]:
    """The layers to replace, in the order of the model; a layer inside another one is replaced with it."""
    names: dict[SpatialLayer, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, SpatialLayer):
            names.setdefault(module, []).append(name)
    # A block stands for the layers inside it, even where it cannot be baked itself.
    inner = {module for layer in names for module in layer.modules() if module is not layer}
    # Maps are recorded at the probe, since a model may call the spatial part of a block without the block.
    outer = {layer.probe: layer for layer in names if layer not in inner}
    sizes: dict[nn.Module, list[tuple[int, ...]]] = {layer: [] for layer in outer.values()}
    for probe, size in forward.map_sizes(model, example_input, outer):
        sizes[outer[probe]].append(size)
    return [Found(layer, tuple(names[layer]), tuple(sizes[layer])) for layer in outer.values()]


def count(module: nn.Module) -> int:
    """Parameters, learnable and frozen."""
    counts = count_parameters(module)
    # Both, so that before and after compare: a plain convolution has no frozen filters, only weights without gradient.
    return counts.learnable + counts.frozen
