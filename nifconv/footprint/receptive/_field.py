"""An effective receptive field: its extent, its shape and its picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from nifconv._support.arguments import unit_share
from nifconv._support.text import by_size
from nifconv.footprint.measures._size import mass_ratio, smallest_window
from nifconv.footprint.receptive._gaussian import gaussian_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.2, 0.3, 0.5, 0.99)  # the thresholds of Ding et al. 2022 (RepLKNet), table 10


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """How much each input pixel contributes to the central unit of a layer.

    Attributes:
        layer: name of the layer.
        contribution: shares that sum to 1, float64, `(*size)`, with the layout of the input.
        inputs: number of inputs that were averaged over.
    """

    layer: str
    contribution: Tensor
    inputs: int

    @cached_property  # it stores its value in __dict__, which works in a frozen dataclass too
    def gaussian(self) -> float:
        """How Gaussian the field is, a share in [0, 1]: 1 - sum_n |c[n] - g[n]| / 2, the overlap of c and g.

        c are the contributions and g is the Gaussian of the same mean m and covariance S on the pixels of the input,
        g[n] proportional to exp(-(n - m)^T S^-1 (n - m) / 2), with sum 1. The sum is their total variation distance.
        A single pixel scores 1, since a Gaussian without width is one; NaN if nothing contributes. Fields of deep
        networks of small kernels tend to a Gaussian (Luo et al. 2016, sec. 2).
        """
        return gaussian_share(self.contribution)

    def side(self, share: float) -> float:
        """Side, in pixels, of the smallest odd square about the input's centre that holds `share` of the contribution.

        NaN if nothing contributes. Source: Ding et al. 2022 (RepLKNet), table 10, which gives it as an area.

        Raises:
            TypeError: `share` is not a number.
            ValueError: it is not above 0 and at most 1.
        """
        # (1, 1, *size): contributions are measured as the taps of a single kernel are.
        return smallest_window(mass_ratio(self.contribution[None, None]), unit_share(share)).item()

    def area(self, share: float) -> float:
        """Share of the input's area that the square of `side(share)` covers, at most 1.

        Raises:
            TypeError: `share` is not a number.
            ValueError: it is not above 0 and at most 1.
        """
        side = self.side(share)
        return math.prod(min(side, n) / n for n in self.contribution.shape)  # the square may be larger than the input

    def __repr__(self) -> str:
        return f"ReceptiveField({self.layer!r}, input {by_size(self.contribution.shape)}, inputs={self.inputs})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON: sides in pixels and areas at the usual thresholds, and how Gaussian the field is.

        All are None if nothing contributes.
        """
        return {
            "layer": self.layer,
            "size": list(self.contribution.shape),
            "inputs": self.inputs,
            "side": {f"{share:g}": _number(self.side(share)) for share in SHARES},
            "area": {f"{share:g}": _number(self.area(share)) for share in SHARES},
            "gaussian": _number(self.gaussian),
        }

    def plot(self, *, image: Tensor | None = None) -> Figure:
        """The contributions on a logarithmic scale, with the squares of 50 and 99 %; needs matplotlib.

        Args:
            image: an input to draw a field of two axes over, `(channels, rows, columns)`, of any range of values; shown
                in grey at the size of the field.

        Raises:
            ImportError: matplotlib is not installed.
            TypeError: `image` is not a real floating tensor.
            ValueError: the input has three spatial axes, or `image` has other axes than above.
        """
        from nifconv.footprint.figures import _field
        from nifconv.footprint.figures._style import title

        squares = {share: self.side(share) for share in (0.5, 0.99)}
        name = f"{title(self.layer) or 'output'}, inputs: {self.inputs}"
        return _field.contribution_map(self.contribution, squares, name, image)


def _number(value: float) -> float | None:
    return None if value != value else value  # JSON has no NaN
