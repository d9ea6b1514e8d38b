"""Widths of a network for a number of parameters."""

from __future__ import annotations

import math


def widths_within(parameters: int, *, inputs: int, trunks: int, kernels: int, fixed: int = 0) -> tuple[int, int]:
    """Widths of the two hidden layers of an implicit filter that use a budget as fully as they can.

    The filter has `trunks * (inputs + 1) * first + trunks * (first + 1) * last + 2 * kernels * (last + 1) + fixed`
    parameters. Of all pairs that use between 90 and 100 % of the budget, the one closest to first = 2 * last; where
    none does, as close to the smallest filter there is, the one that uses most.

    Args:
        parameters: the budget.
        inputs: features that the network sees.
        trunks: 1, or 2 for separate real and imaginary parts.
        kernels: out_channels * in_channels.
        fixed: parameters that do not depend on the widths.

    Raises:
        ValueError: the budget is below that of widths (1, 1).
    """

    def count(first: int, last: int) -> int:
        return trunks * ((inputs + 1) * first + (first + 1) * last) + 2 * kernels * (last + 1) + fixed

    if parameters < count(1, 1):
        raise ValueError(
            f"parameters={parameters} are too few for {kernels} kernels; the smallest filter of this kind has "
            f"{count(1, 1)}"
        )
    pairs = []
    for last in range(1, parameters // (2 * kernels) + 1):
        first = (parameters - count(0, last)) // (trunks * (inputs + 1 + last))
        if first >= 1:
            pairs.append((first, last))
    full = [pair for pair in pairs if count(*pair) >= 0.9 * parameters] or [max(pairs, key=lambda p: count(*p))]
    return min(full, key=lambda pair: abs(math.log(pair[0] / (2 * pair[1]))))
