"""The kernels of one layer and what they measure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from nifconv._support.arguments import choice
from nifconv._support.text import by_size
from nifconv.footprint._null import NullDistribution
from nifconv.footprint.measures._kernels import Kernels
from nifconv.footprint.measures._statistics import quantiles
from nifconv.footprint.measures._table import BY_NAME, MEASURES, median


@dataclass(frozen=True, eq=False)  # tensors have no truth value to compare by
class LayerFootprint:
    """The kernels of one layer at one map size, and their measures.

    Attributes:
        name: qualified name in the model.
        kind: name of its class.
        map_size: spatial size of the layer's input, in pixels.
        taps: the kernels as applied at that size, real, on the CPU, `(out_channels, in_channels_per_group, *size)`,
            centred at `size // 2`. The taps of a dilated kernel are `dilation` pixels apart, with zeros between.
        periodic: whether the kernel is as large as a map with circular padding.
        stage: the group of layers that the layer belongs to.
        null: what re-initialised copies of the layer measure, if the survey made any.
    """

    name: str
    kind: str
    map_size: tuple[int, ...]
    taps: Tensor
    periodic: bool = False
    stage: str = ""
    null: NullDistribution | None = None

    @property
    def kernels(self) -> int:
        """Number of kernels."""
        return len(self._kernels)

    @property
    def windows(self) -> tuple[int, ...]:
        """Window sides in pixels, the last axis of the ratios."""
        return self._kernels.windows

    @property
    def mass_ratio(self) -> Tensor:
        """`footprint.mass_ratio` of each kernel, `(out_channels, in_channels, windows)`."""
        return self._kernels.mass_ratio

    @property
    def energy_ratio(self) -> Tensor:
        """`footprint.energy_ratio` of each kernel, `(out_channels, in_channels, windows)`."""
        return self._kernels.energy_ratio

    def values(self, measure: str) -> Tensor:
        """A measure of `footprint.MEASURES` for every kernel, float64, `(kernels,)`; `(1,)` if it is of a whole layer.

        Raises:
            ValueError: there is no measure of that name.
        """
        choice("measure", measure, tuple(BY_NAME))
        if measure not in self._values:  # on demand, since all of them together take long for a large layer
            self._values[measure] = BY_NAME[measure].values(self._kernels)
        return self._values[measure]

    def statistic(self, measure: str) -> float:
        """The median of a measure over the kernels, or its value for the layer; NaN where all kernels are zero.

        Raises:
            ValueError: there is no measure of that name.
        """
        return median(self.values(measure))

    def __repr__(self) -> str:
        shape = f"{self.kernels} kernels of {by_size(self.taps.shape[2:])}"
        return f"LayerFootprint({self.name!r}, {self.kind}, map {by_size(self.map_size)}, {shape}, null={self.null})"

    def to_dict(self) -> dict[str, Any]:
        """Statistics over the layer's kernels, plain data ready for JSON; None where every kernel is zero.

        `measures` holds the quantiles 0.1, 0.5 and 0.9 over the kernels; the ratios are medians.
        """
        data: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "stage": self.stage,
            "map_size": list(self.map_size),
            "taps_size": list(self.taps.shape[2:]),
            "periodic": self.periodic,
            "kernels": self.kernels,
            "windows": list(self.windows),
            # (out, in, windows) -> (kernels, windows) -> (3, windows), of which 1 is the median
            "mass_ratio": _without_nan(quantiles(self.mass_ratio.flatten(0, 1))[1]),
            "energy_ratio": _without_nan(quantiles(self.energy_ratio.flatten(0, 1))[1]),
            # (kernels,) -> (kernels, 1) -> (3, 1) -> (3,)
            "measures": {m.name: _without_nan(quantiles(self.values(m.name)[:, None])[:, 0]) for m in MEASURES},
        }
        if self.null is not None:
            data["null"] = {m.name: self.null.effect(m.name, self.statistic(m.name)).to_dict() for m in MEASURES}
        return data

    @cached_property  # it stores its value in __dict__, which works in a frozen dataclass too
    def _kernels(self) -> Kernels:
        return Kernels(self.taps, self.periodic)

    @cached_property
    def _values(self) -> dict[str, Tensor]:
        return {}


def _without_nan(values: Tensor) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # JSON has no NaN
