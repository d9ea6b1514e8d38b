"""Widths of a network that uses a given number of parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nifconv._support.arguments import positive_int
from nifconv.filters._spec import savable

_WIDEST = 100_000
"""Units of the last hidden layer, so that the search among widths ends."""


@savable()
@dataclass(frozen=True)
class Budget:
    """A number of parameters instead of widths: `ImplicitFilter(..., hidden=Budget(1000))`.

    For the channels of each layer, the widths of two hidden layers are chosen so that the filter has at most
    `parameters` parameters, and at least 90 % of that number unless it is close to the minimum. Of those pairs, the
    one closest to hidden[0] = 2 * hidden[1] is taken, as in the published (8, 4).

    Args:
        parameters: largest number of parameters of the filter of one layer.

    Raises:
        TypeError: `parameters` is not an integer.
        ValueError: it is below 1. The filter raises if it is too small for its channels, and names the minimum.
    """

    parameters: int

    def __post_init__(self) -> None:
        # The dataclass is frozen, and the check may turn an integer of NumPy into a Python one.
        object.__setattr__(self, "parameters", positive_int("parameters", self.parameters))

    def widths(self, *, inputs: int, trunks: int, kernels: int, fixed: int) -> tuple[int, int]:
        """Widths of the two hidden layers.

        The filter has `trunks * ((inputs + 1) * first + (first + 1) * last) + kernels * (2 * last + 1) + fixed`
        parameters. Of all pairs that use between 90 and 100 % of the budget, these are the closest to first = 2 * last;
        where no pair does, near the smallest possible filter, those that use most.

        Args:
            inputs: number of inputs of the network.
            trunks: 1, or 2 for separate real and imaginary parts.
            kernels: out_channels * in_channels.
            fixed: parameters that do not depend on the widths.

        Raises:
            ValueError: the budget is below that of widths (1, 1).
        """

        def count(first: int, last: int) -> int:
            return trunks * ((inputs + 1) * first + (first + 1) * last) + kernels * (2 * last + 1) + fixed

        if self.parameters < count(1, 1):
            raise ValueError(
                f"parameters={self.parameters} are too few for {kernels} kernels; the smallest filter of this kind has "
                f"{count(1, 1)}"
            )
        # For each last width the largest first one: the count is linear in it, with count(0, last) at zero.
        pairs = []
        for last in range(1, min(self.parameters // (2 * kernels), _WIDEST) + 1):
            first = (self.parameters - count(0, last)) // (trunks * (inputs + 1 + last))
            if first >= 1:
                pairs.append((first, last))
        full = [pair for pair in pairs if count(*pair) >= 0.9 * self.parameters]
        full = full or [max(pairs, key=lambda pair: count(*pair))]
        # On a log scale, where twice as wide is as far from the published shape as half as wide.
        return min(full, key=lambda pair: abs(math.log(pair[0] / (2 * pair[1]))))
