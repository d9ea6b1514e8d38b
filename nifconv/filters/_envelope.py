"""A learned size for any kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nifconv import frequency
from nifconv._support.arguments import at_least_single, choice, ints_per_axis, positive_float
from nifconv.filters._base import FrequencyFilter
from nifconv.filters._factory import FilterFactory, FilterWrapper
from nifconv.filters._spec import savable

# From a delta to no envelope at all; within these bounds the exponent |n|^2 / (2 width^2) stays in range in float32.
_LOG_WIDTHS = (math.log(1e-6), math.log(1e9))


@savable()
@dataclass(frozen=True)
class Envelope(FilterWrapper):
    """Multiplies the taps of any filter by a Gaussian of learned width: a kernel size that can be trained.

    w[n] exp(-|n|^2 / (2 width^2)), |n| in pixels from the centre (as in Romero et al. 2022, FlexConv, with an
    isotropic mask). As width goes to infinity it is the bare filter.

    A filter factory, used as `filter=Envelope(ImplicitFilter, width=3.0)`; it makes an `EnvelopedFilter`.

    Args:
        filter: the factory of the inner filter.
        width: initial standard deviation of the Gaussian, in pixels.
        per: "channel", a width for each output channel, or "layer", one for all.

    Raises:
        TypeError: `filter` is not a filter factory, or `width` is not a number.
        ValueError: `width` is not above 0, or `per` is unknown.
    """

    filter: FilterFactory
    width: float
    per: str = "channel"

    def __post_init__(self) -> None:
        super().__post_init__()
        positive_float("width", self.width)
        choice("per", self.per, ("channel", "layer"))

    def wrap(self, inner: FrequencyFilter) -> FrequencyFilter:
        return EnvelopedFilter(inner, width=self.width, per=self.per)


class EnvelopedFilter(FrequencyFilter):
    """The filter that `Envelope` makes.

    The inner filter is scaled so that the product has the initial gain at the initial width.

    Attributes:
        inner: the filter whose taps are multiplied.
        log_width: logarithm of the width, `(out_channels,)` or `(1,)`.
    """

    def __init__(self, inner: FrequencyFilter, *, width: float, per: str) -> None:
        super().__init__(inner.out_channels, inner.in_channels, inner.ndim, gain=inner.initial_gain)
        self.inner = inner
        self.initial_width = width
        self.log_width = nn.Parameter(torch.empty(inner.out_channels if per == "channel" else 1))
        with torch.no_grad():
            nn.init.constant_(self.log_width, math.log(width))
            self._restore_gain()

    @property
    def width(self) -> Tensor:
        """Standard deviation of the Gaussian, in pixels, one per output channel or one for all."""
        return self.log_width.to(at_least_single(self.log_width.dtype)).clamp(*_LOG_WIDTHS).exp()

    def _draw(self) -> None:
        nn.init.constant_(self.log_width, math.log(self.initial_width))
        # From the same gain each time, so that frozen weights depend on the seed alone; a gain of 0, which a layer of
        # zeros brings about, could not be scaled back.
        self.inner.initial_gain = 1.0
        self.inner.reset_parameters()
        self._restore_gain()

    def _scale_(self, factor: float) -> None:
        self.inner.rescale_(factor)

    def _fit_(self, taps: Tensor, steps: int) -> None:
        # A Gaussian as wide as the target leaves its corners in reach and damps what the inner filter puts beyond. It
        # damps the inner error as well, so the product comes at least as close as the inner filter alone.
        # (nonzero taps, ndim)
        where = frequency.offsets(taps.shape[2:], device=taps.device)[taps.abs().amax((0, 1)) > 0]
        width = max(where.norm(dim=-1).amax().item(), 1.0) if len(where) else self.initial_width
        nn.init.constant_(self.log_width, math.log(width))
        self.inner._fit_(taps / self._gaussian(tuple(taps.shape[2:]), taps.dtype), steps)

    def forward(self, size: Sequence[int]) -> Tensor:
        return frequency.taps_to_spectrum(self.taps(size), ints_per_axis("size", size, self.ndim))

    def taps(self, size: int | Sequence[int]) -> Tensor:
        size = ints_per_axis("size", size, self.ndim)
        taps = self.inner.taps(size)
        return taps * self._gaussian(size, taps.dtype)

    def extra_repr(self) -> str:
        per = "layer" if self.log_width.numel() == 1 else "channel"
        return f"{super().extra_repr()}, width={self.initial_width}, per={per!r}"

    def _gaussian(self, size: Sequence[int], dtype: torch.dtype) -> Tensor:
        """`(out_channels or 1, 1, *size)`."""
        width = self.width.view(-1, 1, *(1,) * self.ndim)
        squared = frequency.offsets(size, device=width.device).square().sum(-1).to(dtype)  # (*size)
        return torch.exp(-squared / (2 * width.square()))

    def _restore_gain(self) -> None:
        # On a map that holds a Gaussian of the usual widths, yet is cheap enough for dense layers of many channels.
        measured = self.gain({1: 64, 2: 16, 3: 8}[self.ndim]).square().mean().sqrt()
        if not measured.is_meta:  # without values there is nothing to measure; reset_parameters() comes here again
            self.inner.rescale_(self.initial_gain / measured.item())
