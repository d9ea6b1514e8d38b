"""Finding the map in what a layer returns: channels first or last, or tokens on a grid; alone or among others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree

Output = int | str | Callable[[Any], Any]
MOST_EXTRA_TOKENS = 5  # a class token and 4 registers; with more, nearly any number of tokens would have a grid


@dataclass(frozen=True)
class MapReader:
    """Reads what a layer returns as a map.

    Attributes:
        size: spatial size of the model's input.
        output: index or key of one of several outputs, or a function from all of them to one; by default the first
            that is a map.
        grid: spatial size of the map; by default it is found.
    """

    size: tuple[int, ...]
    output: Output | None = None
    grid: tuple[int, ...] | None = None

    def read(self, returned: object, batch: int) -> Tensor | None:
        """The map `(n, channels, *map)`, a view of what was returned for `batch` inputs; None if it holds none."""
        for tensor in _pytree.tree_leaves(self._selected(returned)):
            if isinstance(tensor, Tensor) and tensor.is_floating_point() and 0 not in tensor.shape:
                # Layers inside may have put windows or heads on the batch axis, where no input has a centre.
                found = self._as_map(tensor) if tensor.dim() > 2 and len(tensor) == batch else None
                if found is not None:
                    return found
        return None

    def _selected(self, returned: Any) -> Any:
        if self.output is None:
            return returned
        if callable(self.output):
            return self.output(returned)
        # A tensor can be indexed too, but along the batch and not by output.
        if isinstance(returned, Mapping):
            return returned.get(self.output)
        if isinstance(returned, Sequence) and isinstance(self.output, int) and -len(returned) <= self.output:
            return returned[self.output] if self.output < len(returned) else None
        return None

    def _as_map(self, tensor: Tensor) -> Tensor | None:
        if tensor.dim() == len(self.size) + 2:
            first, last = tuple(tensor.shape[2:]), tuple(tensor.shape[1:-1])
            if self.grid is not None:
                matches, swapped = first == self.grid, last == self.grid and first != self.grid
            else:
                # A 1-d map has no aspect ratio and is taken as channels first, as are maps that can be read both ways.
                swapped = self._proportional(last) and self._distortion(last) < self._distortion(first)
                matches = not swapped
            if matches or swapped:
                return tensor.movedim(-1, 1) if swapped else tensor
        grid = self.grid or self._grid_of(tensor.shape[1])
        if tensor.dim() != 3 or grid is None or math.prod(grid) > tensor.shape[1]:
            return None
        tokens = tensor[:, tensor.shape[1] - math.prod(grid) :]  # class and register tokens come first
        return tokens.unflatten(1, grid).movedim(-1, 1)  # (n, tokens, channels) -> (n, channels, *grid)

    def _proportional(self, size: Sequence[int]) -> bool:
        """Whether a map has the aspect ratio of the input, up to less than one pixel on each axis."""
        # Some scale t has |m - t n| < 1 on all axes: the intervals (m - 1, m + 1) / n overlap.
        pairs = list(zip(size, self.size, strict=True))
        return max((m - 1) / n for m, n in pairs) < min((m + 1) / n for m, n in pairs)

    def _distortion(self, size: Sequence[int]) -> float:
        """How far the aspect ratios of a map differ from those of the input; 1 if they are the same."""
        scales = [m / n for m, n in zip(size, self.size, strict=True)]
        return max(scales) / min(scales)

    def _grid_of(self, tokens: int) -> tuple[int, ...] | None:
        """The grid of exactly the input's aspect ratio that leaves the fewest tokens over."""
        common = math.gcd(*self.size)
        unit = [n // common for n in self.size]  # (2, 3) for an input of 64 x 96
        for extra in range(min(MOST_EXTRA_TOKENS + 1, tokens)):
            scale = round(((tokens - extra) / math.prod(unit)) ** (1 / len(unit)))
            grid = tuple(scale * n for n in unit)
            if math.prod(grid) == tokens - extra:
                return grid
        return None


def described(returned: object) -> str:
    """The shapes of what a layer returned, for error messages."""
    if isinstance(returned, Tensor):
        return str(tuple(returned.shape))
    shapes = [str(tuple(leaf.shape)) for leaf in _pytree.tree_leaves(returned) if isinstance(leaf, Tensor)]
    return f"{type(returned).__name__} of {', '.join(shapes) or 'no tensor'}"
