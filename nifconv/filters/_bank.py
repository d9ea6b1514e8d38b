"""One set of kernels for many layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nifconv._support.arguments import positive_int
from nifconv.filters._base import FrequencyFilter
from nifconv.filters._factory import FilterFactory, build_filter
from nifconv.filters._spec import savable


def _arguments(bank: FilterBank) -> dict[str, Any]:
    return {
        "filter": bank.factory,
        "kernels": bank.filter.out_channels,
        "ndim": bank.filter.ndim,
        "kernel_size": bank.kernel_size,
        "repeat": bank.repeat,
    }


@savable(arguments=_arguments)
class FilterBank:
    """A set of kernels that many layers share, each evaluating it at its own resolution (Gavrikov & Keuper 2023).

    A layer uses the first out_channels * in_channels_per_group kernels and rescales them to its own gain. With
    `repeat`, a layer that needs more kernels than there are uses them several times, in a random pattern that is always
    the same, so that a whole net can share 8 kernels. The bank is a filter factory: give it as `filter=bank` to the
    layers of one model or to `convert`. PyTorch then sees one module at many places, as with any tied weight:
    `parameters()` lists it once, `copy.deepcopy` keeps it shared, the gradients of all layers accumulate in it, and
    safetensors stores it once through `save_model`. Re-initialising the filter of one layer re-initialises all.

    Args:
        filter: the factory of the kernels; `frozen(...)` for a bank that is not trained.
        kernels: number of kernels, at least out_channels * in_channels_per_group of the largest layer, unless they are
            repeated.
        ndim: number of spatial axes.
        kernel_size: taps per axis, for a factory that needs them, such as `SpatialFilter`.
        repeat: whether layers that need more kernels than there are use them several times.

    Attributes:
        filter: the `FrequencyFilter` that holds the kernels, `(kernels, 1)` channels.
        factory, kernel_size, repeat: the arguments that the bank was built with.

    Raises:
        TypeError, ValueError: as `FrequencyFilter`.
    """

    def __init__(
        self,
        filter: FilterFactory,
        kernels: int,
        ndim: int = 2,
        *,
        kernel_size: int | Sequence[int] | None = None,
        repeat: bool = False,
    ) -> None:
        # One input channel: each layer regroups the kernels into (out_channels, in_channels) of its own.
        self.filter = build_filter(filter, positive_int("kernels", kernels), 1, ndim, kernel_size)
        self.factory, self.kernel_size, self.repeat = filter, kernel_size, repeat

    def slice(self, out_channels: int, in_channels: int) -> FrequencyFilter:
        """The first out_channels * in_channels kernels as the filter of a layer, at the default gain.

        Raises:
            ValueError: the bank holds fewer kernels and does not repeat them.
        """
        return FilterSlice(self.filter, out_channels, in_channels, repeat=self.repeat)

    def __call__(self, out_channels: int, in_channels: int, ndim: int = 2) -> FrequencyFilter:
        """`slice`, as a filter factory.

        Raises:
            ValueError: the bank holds fewer kernels and does not repeat them, or kernels of another dimension.
        """
        if ndim != self.filter.ndim:
            raise ValueError(
                f"ndim={ndim}, but the bank holds kernels of ndim={self.filter.ndim}; make a bank for each dimension"
            )
        return self.slice(out_channels, in_channels)

    def __repr__(self) -> str:
        return f"FilterBank({self.filter})"


class FilterSlice(FrequencyFilter):
    """The kernels of a `FilterBank` that one layer uses.

    Attributes:
        bank: the filter that holds the kernels of all layers.
        scale: factor on the kernels in this layer, a buffer.
    """

    scale: Tensor
    shared = True  # freezing or fitting the filter of one layer would change the others

    def __init__(self, bank: FrequencyFilter, out_channels: int, in_channels: int, *, repeat: bool = False) -> None:
        super().__init__(out_channels, in_channels, bank.ndim)
        needed = out_channels * in_channels
        if needed > bank.out_channels and not repeat:
            raise ValueError(
                f"kernels={bank.out_channels} are too few for a layer of {out_channels} x {in_channels} channels; make "
                f"the bank with at least kernels={needed}, or with repeat=True"
            )
        self.bank = bank
        # Not in turn: where the number of kernels divides in_channels, all output channels would have the same filter.
        # NumPy's old generator never changes its numbers; no buffer is needed, since they are the same after loading.
        few = needed > bank.out_channels
        self._places = (
            torch.from_numpy(np.random.RandomState(0).randint(bank.out_channels, size=needed)) if few else None
        )
        self.register_buffer("scale", torch.tensor(self._initial_scale()))

    def _real_spectrum(self, size: Sequence[int]) -> Tensor:
        return self._take(self.bank.spectrum_as_real(size))

    def taps(self, size: int | Sequence[int]) -> Tensor:
        return self._take(self.bank.taps(size))

    def _take(self, kernels: Tensor) -> Tensor:
        # (kernels, 1, *axes) -> (out * in, *axes); the axes are those of taps, or of a half grid with real and imag
        if self._places is None:
            chosen = kernels[: self.out_channels * self.in_channels, 0]
        else:
            chosen = kernels[self._places.to(kernels.device), 0]
        return (chosen * self.scale).unflatten(0, (self.out_channels, self.in_channels))

    def _draw(self) -> None:
        self.bank.reset_parameters()
        self.scale.fill_(self._initial_scale())

    def _scale_(self, factor: float) -> None:
        self.scale.mul_(factor)  # not the kernels, which belong to the other layers too

    def _initial_scale(self) -> float:
        # The gain of the bank is that of one kernel; the variances of in_channels kernels add up in an output.
        return self.initial_gain / (self.bank.initial_gain * math.sqrt(self.in_channels))
