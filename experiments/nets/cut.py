"""How much of its kernels a net needs: what is left of its accuracy after they are cut to a window."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn

from nifconv import TableFilter, fit, footprint, frequency
from nifconv.layers import FrequencyConv


def cut(net: nn.Module, example: Tensor, side: int, names: Collection[str] | None = None) -> nn.Module:
    """A copy of a net whose frequency kernels are zero outside the centred window of that odd side.

    Args:
        net: with kernels as large as the map.
        example: an input, of the size of all inputs.
        side: of the window, in pixels.
        names: layers that are cut; by default all.
    """
    copied = copy.deepcopy(net)
    for layer in footprint.survey(net, example).layers:
        module = copied.get_submodule(layer.name)
        if not isinstance(module, FrequencyConv) or (names is not None and layer.name not in names):
            continue
        size = layer.map_size
        inside = (frequency.offsets(size).abs() <= side // 2).all(-1)
        with torch.no_grad():
            taps = module.filter.taps(size) * inside
        table = TableFilter(module.filter.out_channels, module.filter.in_channels, size=size)
        fit(table, taps, size=size)
        module.filter = table
    return copied


def window_in_use(sides: Sequence[int], accuracy: Callable[[int], float], whole: float, chance: float) -> int:
    """The smallest window from which on the net keeps at least half of what it gains over chance; 0 if it has none.

    Args:
        sides: of windows, ascending; the last one is the whole map.
        accuracy: after kernels are cut to a side.
        whole: accuracy without a cut; a net below chance plus 0.1 counts as one that has learned nothing.
        chance: accuracy of guessing.
    """
    if whole < chance + 0.1:
        return 0
    found = sides[-1]
    for side in reversed(sides[:-1]):
        if accuracy(side) < (whole + chance) / 2:
            break
        found = side
    return found
