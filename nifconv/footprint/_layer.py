"""The kernels of one layer, and what is measured of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nifconv._support.arguments import choice
from nifconv.footprint.measures import _size
from nifconv.footprint.measures._table import BY_NAME, MEASURES, Measure
from nifconv.spectral import windows

if TYPE_CHECKING:
    from nifconv.footprint._null import Null

# Measures work in float64 with a few copies: about 100 MB at a time, whatever the layer.
_TAPS_AT_ONCE = 2**21
BAND = (0.1, 0.5, 0.9)
"""Quantiles over the kernels of a layer that tables and figures show: a band and its median."""


@dataclass(frozen=True, eq=False)  # tensors have no truth value to compare by
class LayerFootprint:
    """The kernels of one layer at one map size, and their measures.

    Attributes:
        name: where the layer stands in the model.
        kind: name of its class.
        map_size: spatial size of the layer's input, in pixels.
        taps: the kernels as applied at that size, real, on the CPU, `(out_channels, in_channels_per_group, *size)`,
            centred at `size // 2`. A dilated kernel has its taps `dilation` pixels apart, zeros between.
        periodic: whether the kernel is as large as a map that wraps around.
        stage: the part of the model that the layer is grouped with.
        null: what fresh draws of the layer measure, if the survey made them.
    """

    name: str
    kind: str
    map_size: tuple[int, ...]
    taps: Tensor
    periodic: bool = False
    stage: str = ""
    null: Null | None = None

    @property
    def kernels(self) -> int:
        """How many there are."""
        return self.taps.shape[0] * self.taps.shape[1]

    @property
    def windows(self) -> tuple[int, ...]:
        """Window sides in pixels, the last axis of the ratios."""
        return windows(self.taps.shape[2:])

    @cached_property
    def mass_ratio(self) -> Tensor:
        """See `metrics.mass_ratio`."""
        return torch.cat([_size.mass_ratio(part) for part in self._parts()]).view(*self.taps.shape[:2], -1)

    @cached_property
    def energy_ratio(self) -> Tensor:
        """See `metrics.energy_ratio`."""
        return torch.cat([_size.energy_ratio(part) for part in self._parts()]).view(*self.taps.shape[:2], -1)

    def values(self, measure: str) -> Tensor:
        """A measure of `footprint.MEASURES` for every kernel, float64, `(kernels,)`; of a whole layer, `(1,)`.

        Raises:
            ValueError: there is no measure of that name.
        """
        choice("measure", measure, tuple(BY_NAME))
        if measure not in self._values:
            self._values[measure] = self._evaluate(BY_NAME[measure])
        return self._values[measure]

    def statistic(self, measure: str) -> float:
        """The median of a measure over the kernels, or its value for the layer; NaN where all kernels are zero.

        Raises:
            ValueError: there is no measure of that name.
        """
        return quantiles(self.values(measure)[:, None], (0.5,)).item()

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
            "mass_ratio": _plain(quantiles(self.mass_ratio.flatten(0, 1))[1]),
            "energy_ratio": _plain(quantiles(self.energy_ratio.flatten(0, 1))[1]),
            "measures": {m.name: _plain(quantiles(self.values(m.name)[:, None])[:, 0]) for m in MEASURES},
        }
        if self.null is not None:
            data["null"] = {m.name: self.null.effect(m.name, self.statistic(m.name)).to_dict() for m in MEASURES}
        return data

    @cached_property
    def _values(self) -> dict[str, Tensor]:
        return {}

    def _evaluate(self, measure: Measure) -> Tensor:
        if measure.per_layer or self.taps.numel() <= _TAPS_AT_ONCE:
            return measure.function(self).reshape(-1)
        return torch.cat([measure.function(layer).reshape(-1) for layer in self._part_layers])

    @cached_property
    def _part_layers(self) -> list[LayerFootprint]:
        return [replace(self, taps=part) for part in self._parts()]

    def _parts(self) -> Iterator[Tensor]:
        """The kernels `(some, 1, *size)`, a number at a time that fits into memory in float64."""
        kernels = self.taps.flatten(0, 1).unsqueeze(1)
        yield from kernels.split(max(_TAPS_AT_ONCE * len(kernels) // max(kernels.numel(), 1), 1))


def quantiles(values: Tensor, at: tuple[float, ...] = BAND) -> Tensor:
    """Quantiles over the first axis, linear between order statistics; rows with a NaN are left out.

    `torch.nanquantile` refuses more than 16 million values, which the ratios of a dense layer exceed.

    Args:
        values: `(kernels, n)`.
        at: shares between 0 and 1.

    Returns:
        `(len(at), n)`, NaN if no row is left.
    """
    ordered = values[~values.isnan().any(-1)].sort(0).values
    if len(ordered) == 0:
        return values.new_full((len(at), values.shape[1]), torch.nan)
    place = values.new_tensor(at) * (len(ordered) - 1)
    below, above = place.floor().long(), place.ceil().long()
    return torch.lerp(ordered[below], ordered[above], (place - below).unsqueeze(-1))


def _plain(values: Tensor) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
