"""A frequency layer as plain convolutions, with kernels truncated as far as the tolerance allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nifconv._support import forward
from nifconv.baking._assemble import assemble
from nifconv.baking._truncate import crop, mass_outside, operator_norm
from nifconv.frequency import resize_taps
from nifconv.layers import Composition, SpatialLayer
from nifconv.spectral import windows

# Two maps have the same kernel if it differs by no more than the rounding of its evaluation.
_ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 1e-3}

MapSize = tuple[int, ...]


class CannotBakeError(Exception):
    """A layer cannot be replaced; the message says why."""


@dataclass(frozen=True, eq=False)
class Cut:
    """Plain convolutions that replace a layer.

    Attributes:
        module: an `nn.ConvNd`, or several in an `nn.Sequential`.
        kernel_before: taps per axis of the kernels as applied.
        kernel_after: taps per axis of the plain convolution.
        bound: the largest change of an output for inputs between -1 and 1, relative to `norm`.
        norm: the largest output of the layer, without its bias, for such inputs (see `operator_norm`).
        smallest_map: the smallest map on which the convolutions run, in pixels per axis.
    """

    module: nn.Module
    kernel_before: tuple[int, ...]
    kernel_after: tuple[int, ...]
    bound: float
    norm: float
    smallest_map: MapSize


def cut_layer(layer: SpatialLayer, map_sizes: Sequence[MapSize], tolerance: float) -> Cut:
    """Of the plain convolutions that compute a layer, those with the fewest multiplications.

    Raises:
        CannotBakeError: no plain convolutions compute it.
    """
    check_reached(map_sizes)
    with forward.evaluating(layer), torch.no_grad():
        # One row for each way to compose the layer, one column for each map size.
        ways = zip(*(compositions(layer, size) for size in map_sizes), strict=True)
        cuts, obstacles = [], []
        for way in ways:
            try:
                cuts.append(_cut(layer, dict(zip(map_sizes, way, strict=True)), tolerance))
            except CannotBakeError as obstacle:  # noqa: PERF203 - there are one or two
                obstacles.append(obstacle)
    if not cuts:
        raise obstacles[0]  # of the first composition, which is how the layer is written
    return min(cuts, key=_multiplications)


def check_reached(map_sizes: Sequence[MapSize]) -> None:
    """Refuses a layer that no map reaches.

    Raises:
        CannotBakeError: there is no map size.
    """
    if not map_sizes:
        raise CannotBakeError(
            "kept: the example input does not reach it in eval mode, so the size of its kernels is unknown"
        )


def compositions(layer: SpatialLayer, map_size: MapSize) -> list[Composition]:
    """The compositions of a layer, with taps in the dtype of its weights."""
    tensors = [*layer.parameters(), *layer.buffers()]
    dtype = next(tensor.dtype for tensor in tensors if tensor.is_floating_point())
    return [
        Composition(way.taps.detach().to(dtype), way.pointwise, way.pointwise_groups)
        for way in layer.compositions(map_size)
    ]


def _cut(layer: SpatialLayer, by_size: dict[MapSize, Composition], tolerance: float) -> Cut:
    """One composition of a layer, given on each map that reaches it, cut to the smallest window."""
    # The largest map has the largest global kernel, which has to serve on the smaller maps too.
    way = by_size[max(by_size, key=math.prod)]
    outside = mass_outside(way)
    if not outside.isfinite().all():
        raise CannotBakeError("kept: its kernels are not finite")
    # The smallest window: what lies outside only falls from one window to the next.
    window = windows(way.taps.shape[2:])[int((outside <= tolerance).nonzero().min())]
    kernel, padding = _crop(layer, way.taps, window)
    # The cut is made on one map; this is what it does on every map that reaches the layer.
    bound = max(_distance(kernel, other) for other in by_size.values())
    if bound > max(tolerance, _ROUNDING[kernel.dtype]):
        raise CannotBakeError(
            f"kept: its kernels differ between the maps of {', '.join(map(str, by_size))} that reach it"
        )
    geometry = zip(kernel.shape[2:], layer.dilation, padding, strict=True)
    smallest = tuple(_smallest_map(d * (k - 1) + 1, pair, layer.padding_mode) for k, d, pair in geometry)
    if any(n < s for size in by_size for n, s in zip(size, smallest, strict=True)):
        raise CannotBakeError(
            f"kept: a map of {min(by_size, key=math.prod)} cannot supply the {layer.padding_mode} padding of {padding}"
        )
    module, conv = assemble(layer, kernel, padding, way)
    return Cut(module, tuple(way.taps.shape[2:]), conv.kernel_size, bound, _norm(way.taps, way), smallest)


def _crop(layer: SpatialLayer, taps: Tensor, window: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """The taps within a window, and the padding before and after each axis that keeps them aligned.

    A kernel with a size of its own is cut by no more than its padding allows, and not at all on an axis of even size.
    """
    if layer.kernel_size is None:
        kernel = crop(taps, window)
        return kernel, [(k // 2, k // 2) for k in kernel.shape[2:]]
    size, padding = [], []
    pairs = layer.padding_per_axis(layer.kernel_size)
    for k, d, pair in zip(layer.kernel_size, layer.dilation, pairs, strict=True):
        # Each tap less on both sides takes `d` pixels off the padding, which cannot become negative. An even kernel
        # has no middle tap, so that cutting both sides alike would move it.
        cut = min((k - min(window, k)) // 2, min(pair) // d) if k % 2 else 0
        size.append(k - 2 * cut)
        padding.append((pair[0] - d * cut, pair[1] - d * cut))
    return resize_taps(taps, size), padding


def _distance(kernel: Tensor, way: Composition) -> float:
    """|kernel - taps| / |taps| in `operator_norm`, with their centres aligned."""
    size = tuple(map(max, kernel.shape[2:], way.taps.shape[2:]))
    # Both at the larger size, (out, in_per_group, *size), so that the taps that were cut are part of the difference.
    difference = resize_taps(kernel, size) - resize_taps(way.taps, size)
    change = _norm(difference, way)
    return change / _norm(way.taps, way) if change else 0.0  # a layer of zeros is exact: 0, not 0 / 0


def _norm(taps: Tensor, way: Composition) -> float:
    """`operator_norm` of a layer with these taps."""
    return operator_norm(taps.double().abs().flatten(2).sum(-1, keepdim=True), way).item()


def _smallest_map(span: int, padding: tuple[int, int], mode: str) -> int:
    """Pixels of the smallest map that can supply the padding of an axis and then holds a kernel of `span` pixels."""
    # torch pads by wrapping no more than once around the map, and reflects without repeating the border.
    supply = {"circular": max(padding), "reflect": max(padding) + 1}.get(mode, 1)
    return max(supply, span - sum(padding), 1)


def _multiplications(cut: Cut) -> int:
    """Multiplications of all its convolutions, per output pixel."""
    return sum(weight.numel() for name, weight in cut.module.named_parameters() if name.endswith("weight"))
