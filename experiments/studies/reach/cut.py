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
    """Inside it, taps outside the centred window of that odd side are zero, in all frequency filters of the net."""

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
    """Share of correct answers, with BatchNorm statistics of these images.

    With cut kernels a net has other means and variances, and the running ones would spoil its answers even where the
    ends of the kernels carry nothing that it needs.
    """
    copied = copy.deepcopy(net).train()
    return (copied(images).argmax(1) == labels).float().mean().item()


def window_in_use(
    sides: Sequence[int], accuracies: Sequence[float], whole_side: int, whole: float, chance: float
) -> int:
    """The smallest window from which on the net keeps at least half of what it gains over chance; 0 if it has none.

    Args:
        sides, accuracies: sides of the cuts, ascending, and the accuracies after them.
        whole_side, whole: the same without a cut.
        chance: accuracy of guessing; a net below this plus 0.1 counts as one that has learned nothing.
    """
    if whole < chance + 0.1:
        return 0
    low = [side for side, one in zip(sides, accuracies, strict=True) if one < (whole + chance) / 2]
    above = [side for side in sides if not low or side > low[-1]]
    return above[0] if above else whole_side
