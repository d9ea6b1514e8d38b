"""Which pixels a convolution with given taps reads, and the grid on which it is a product of spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nifconv import frequency

PADDING_MODES = ("circular", "zeros", "reflect", "replicate")


@dataclass(frozen=True)
class Geometry:
    """The sizes of one convolution, one entry per spatial axis.

    Attributes:
        size: pixels of the map.
        kernel_size, stride, dilation: as in `nn.ConvNd`.
        padding: pixels (before, after) for each axis.
        padding_mode: one of `PADDING_MODES`.

    Raises:
        ValueError: the kernel does not fit into the padded map, or the padding mode cannot supply that much padding.
    """

    size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    padding_mode: str

    def __post_init__(self) -> None:
        self._check_padding()
        if min(self.output_size) < 1:
            spans = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True))
            raise ValueError(
                f"kernel_size={self.kernel_size} with dilation={self.dilation} spans {spans} pixels, but the map of "
                f"{self.size} with padding={self.padding} has fewer; use a smaller kernel or more padding"
            )

    @property
    def output_size(self) -> tuple[int, ...]:
        """Pixels of the output before the stride."""
        margins = (d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True))
        return tuple(n + sum(pad) - m for n, pad, m in zip(self.size, self.padding, margins, strict=True))

    def on_grid(self, x: Tensor) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]]:
        """The input, padded unless zeros will do; the grid size; how many pixels tap 0 lies before the output pixel."""
        before = tuple(pad[0] for pad in self.padding)
        if self.padding_mode == "circular" and self.output_size == self.size:
            return x, self.size, before  # the product of spectra is this convolution already
        if self.padding_mode == "zeros":
            # Zeros follow x only at its end: taps that reach before its start wrap around and read these same zeros.
            axes = zip(self.size, self.padding, self.output_size, strict=True)
            return x, self._fast([max(n + max(pad), out) for n, pad, out in axes]), before
        x = torch.nn.functional.pad(x, [p for pad in reversed(self.padding) for p in pad], mode=self.padding_mode)
        return x, self._fast(x.shape[2:]), (0,) * len(before)  # the padding is part of x now

    def _fast(self, minimum: Sequence[int]) -> tuple[int, ...]:
        # A multiple of the stride, so that the spectrum can be folded before the inverse transform.
        return tuple(frequency.fast_length(n, multiple_of=s) for n, s in zip(minimum, self.stride, strict=True))

    def _check_padding(self) -> None:
        # As in torch.nn.functional.pad: "reflect" does not repeat the border pixel, and "circular" wraps around once.
        limits = {"reflect": [n - 1 for n in self.size], "circular": list(self.size)}.get(self.padding_mode)
        if limits and any(max(pad) > limit for pad, limit in zip(self.padding, limits, strict=True)):
            raise ValueError(
                f"padding={self.padding} exceeds {tuple(limits)}, the most that padding_mode={self.padding_mode!r} can "
                f"supply on a map of {self.size}; use less padding, a smaller kernel, one as large as the map, or "
                "padding_mode='zeros'"
            )
