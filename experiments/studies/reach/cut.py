"""How much of its kernels a net needs: its accuracy after they are cut to a window."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from nifconv import FrequencyFilter, frequency


@contextmanager
def cut(net: nn.Module, side: int) -> Iterator[None]:
    """Within it, taps outside the centred window of that odd side are zero, in all frequency filters of the net."""

    def windowed(module: nn.Module, inputs: tuple[Sequence[int]], spectrum: Tensor) -> Tensor:  # noqa: ARG001
        size = tuple(inputs[0])
        inside = (frequency.offsets(size).abs() <= side // 2).all(-1)
        return frequency.taps_to_spectrum(frequency.spectrum_to_taps(spectrum, size) * inside, size)

    with ExitStack() as stack:
        for module in net.modules():
            if isinstance(module, FrequencyFilter):
                stack.callback(module.register_forward_hook(windowed).remove)
        yield


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of right answers, normalised by the statistics of these images.

    Without the ends of its kernels a net has other means and variances, and running ones would spoil its answers even
    where the ends carry nothing that it needs.
    """
    copied = copy.deepcopy(net).train()
    return (copied(images).argmax(1) == labels).float().mean().item()


def window_in_use(
    sides: Sequence[int], accuracies: Sequence[float], whole_side: int, whole: float, chance: float
) -> int:
    """The smallest window from which on the net keeps at least half of what it gains over chance; 0 if it has none.

    Args:
        sides, accuracies: of the cuts, ascending.
        whole_side, whole: of the kernels without a cut.
        chance: below which, plus 0.1, a net counts as one that has learned nothing.
    """
    if whole < chance + 0.1:
        return 0
    low = [side for side, one in zip(sides, accuracies, strict=True) if one < (whole + chance) / 2]
    above = [side for side in sides if not low or side > low[-1]]
    return above[0] if above else whole_side
