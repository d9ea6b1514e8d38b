"""The null distribution: what the kernels of a layer measure when it is re-initialised and never trained."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from nifconv.footprint.measures._kernels import Kernels
from nifconv.footprint.measures._statistics import quantiles
from nifconv.footprint.measures._table import BY_NAME, MEASURES, median

LEAST_COPIES = 19  # with fewer, p cannot fall to the 0.1 of `Effect.is_evidence`


@dataclass(frozen=True)
class Effect:
    """A measured value compared with the null distribution of the same layer, in the unit of the measure.

    Attributes:
        value: the median over the layer's kernels.
        mean, std, low, high: mean, standard deviation, 5 % and 95 % quantile of the null distribution.
        z: (value - mean) / sqrt(std^2 + step^2 / 6), the effect size; `step` is that of a measure that moves in steps,
            such as a window side, and otherwise 0. None if the null distribution has no width and there is no step.
        p: two-sided and by rank, 2 (1 + draws at least as extreme) / (draws + 1), at most 1. It cannot fall below
            2 / (draws + 1), however large the effect.
    """

    value: float
    mean: float
    std: float
    low: float
    high: float
    z: float | None
    p: float

    @property
    def is_evidence(self) -> bool:
        """Whether the layer differs from its copies: |z| at least 3 and p at most 0.1."""
        # A large z alone can come from a few copies that happen to agree.
        return self.z is not None and abs(self.z) >= 3 and self.p <= 0.1

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON, with None for NaN."""
        return {key: None if value is None or value != value else value for key, value in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """What a layer measures in re-initialised copies.

    Attributes:
        draws: number of re-initialised copies.
        statistics: by measure, the median over the kernels of each copy, float64, `(draws,)`.
        mass_band: quantiles 0.1, 0.5 and 0.9 over the kernels of the mass ratio, averaged over the copies,
            `(3, windows)`.
    """

    draws: int
    statistics: Mapping[str, Tensor] = field(repr=False)
    mass_band: Tensor = field(repr=False)

    def effect(self, measure: str, value: float) -> Effect:
        """How far `value` lies from the null distribution; NaN where either has no value."""
        drawn = self.statistics[measure]
        if value != value or drawn.isnan().any():  # kernels of zeros, or too small for this measure
            return Effect(value, *(math.nan,) * 4, None, math.nan)
        mean = statistics.fmean(drawn.tolist())
        std = statistics.stdev(drawn.tolist()) if self.draws > 1 else 0.0  # stdev raises for a single number
        low, high = quantiles(drawn[:, None], (0.05, 0.95)).flatten().tolist()  # (draws, 1) -> (2, 1)
        # A step adds an error of variance step^2 / 12 to the value and to the mean. Without it, one step away from a
        # null distribution of equal values, as when every random kernel fills the map, would be an infinite effect.
        scale = math.sqrt(std**2 + BY_NAME[measure].step ** 2 / 6)
        # Copies may measure the same up to the last bits; dividing by such a spread would turn rounding into an effect.
        exact = scale <= 1e-9 * max(abs(mean), abs(value), 1e-300)
        same = math.isclose(value, mean, rel_tol=1e-9, abs_tol=1e-12)
        z = 0.0 if same else None if exact else (value - mean) / scale
        # Draws that equal the value up to rounding count as extreme on both sides, which can only make p larger.
        tolerance = 1e-9 * max(abs(value), 1e-3)
        extreme = min((drawn <= value + tolerance).sum().item(), (drawn >= value - tolerance).sum().item())
        # Plus 1: the value counts as a draw of its own, so that p is never 0 (Phipson & Smyth 2010). Twice the smaller
        # tail exceeds 1 near the median.
        return Effect(value, mean, std, low, high, z, min(2 * (1 + extreme) / (self.draws + 1), 1.0))


class NullCollector:
    """Measures re-initialised copies of a layer one by one, and stores only the numbers.

    Args:
        name: name of the layer, for error messages.
        kernels: the kernels of the layer as it is in the model.
    """

    def __init__(self, name: str, kernels: Kernels) -> None:
        self._name = name
        self._kernels = kernels
        self._found: dict[str, list[float]] = {measure.name: [] for measure in MEASURES}
        self._bands: list[Tensor] = []

    def add(self, taps: Tensor) -> None:
        """Measures the kernels of one copy, `(out_channels, in_channels_per_group, *size)`.

        Raises:
            ValueError: their shape differs from that of the model's kernels.
        """
        expected = self._kernels.taps.shape
        if taps.shape != expected:
            raise ValueError(
                f"a re-initialised {self._name!r} has kernels of shape {tuple(taps.shape)}, but the model's have "
                f"{tuple(expected)}; fresh must build the architecture that is surveyed"
            )
        kernels = Kernels(taps, self._kernels.periodic)  # some measures depend on it, so it has to be the layer's
        for measure in MEASURES:
            self._found[measure.name].append(median(measure.values(kernels)))
        self._bands.append(quantiles(kernels.mass_ratio.flatten(0, 1)))  # (3, windows)

    def finish(self) -> NullDistribution:
        """The null distribution over all copies that were added."""
        found = {name: torch.tensor(values, dtype=torch.float64) for name, values in self._found.items()}
        # (draws, 3, windows) -> (3, windows): a band of all kernels together would need all of them in memory.
        return NullDistribution(len(self._bands), found, torch.stack(self._bands).mean(0))
