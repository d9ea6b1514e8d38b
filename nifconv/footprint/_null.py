"""The prior control: what the same layers measure when they are drawn anew and never trained."""

from __future__ import annotations

import copy
import hashlib
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nifconv._support.randomness import seeded
from nifconv.filters import FrequencyFilter
from nifconv.footprint._layer import LayerFootprint, quantiles
from nifconv.footprint._sources import PLAIN
from nifconv.footprint.measures._table import BY_NAME, MEASURES

_PARAMETRISED = (
    "{kind} is under a parametrisation and cannot be drawn anew for null=...; remove it with "
    "torch.nn.utils.parametrize.remove_parametrizations, or survey with null=0"
)


@dataclass(frozen=True)
class Effect:
    """A measured value beside those of fresh draws of the same layer; all in the unit of the measure.

    Attributes:
        value: of the layer as it is, the median over its kernels.
        mean, std, low, high: of the fresh draws; `low` and `high` are their 5 % and 95 % quantiles.
        z: (value - mean) / sqrt(std^2 + step^2 / 6), the effect size. A measure that moves in steps, such as a window
            side, is uncertain by step / sqrt(12), and so are value and mean each: without that term, draws that all
            agree would make a difference of one step infinite. None where draws agree and there is no step.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON, None for NaN."""
        return {key: None if value is None or value != value else value for key, value in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class Null:
    """What fresh draws of a layer measure.

    Attributes:
        draws: how many there are.
        statistics: by measure, the median over the kernels of each draw, float64, `(draws,)`.
        mass_band: quantiles 0.1, 0.5 and 0.9 over the kernels of the mass ratio, averaged over the draws,
            `(3, windows)`.
    """

    draws: int
    statistics: Mapping[str, Tensor]
    mass_band: Tensor

    def effect(self, measure: str, value: float) -> Effect:
        """How far `value` lies from the draws; NaN where value or draws have none."""
        drawn = self.statistics[measure]
        if value != value or drawn.isnan().any():
            return Effect(value, *(math.nan,) * 4, None, math.nan)
        mean = statistics.fmean(drawn.tolist())
        std = statistics.stdev(drawn.tolist()) if self.draws > 1 else 0.0
        low, high = quantiles(drawn[:, None], (0.05, 0.95)).flatten().tolist()
        scale = math.sqrt(std**2 + BY_NAME[measure].step ** 2 / 6)
        # Equal kernels measure the same up to the last bits, whose spread is no scale to measure by.
        exact = scale <= 1e-9 * max(abs(mean), abs(value), 1e-300)
        same = math.isclose(value, mean, rel_tol=1e-9, abs_tol=1e-12)
        z = 0.0 if same else None if exact else (value - mean) / scale
        tolerance = 1e-9 * max(abs(value), 1e-3)
        extreme = min((drawn <= value + tolerance).sum().item(), (drawn >= value - tolerance).sum().item())
        return Effect(value, mean, std, low, high, z, min(2 * (1 + extreme) / (self.draws + 1), 1.0))


class NullCollector:
    """Measures fresh draws of a layer one by one, and keeps no more of them than the numbers.

    Args:
        layer: as it is.
    """

    def __init__(self, layer: LayerFootprint) -> None:
        self._layer = layer
        self._found: dict[str, list[float]] = {measure.name: [] for measure in MEASURES}
        self._bands: list[Tensor] = []

    def add(self, taps: Tensor) -> None:
        """Measures one draw, given its kernels as in `LayerFootprint.taps`.

        Raises:
            ValueError: these are not kernels of the same layer.
        """
        if taps.shape != self._layer.taps.shape:
            raise ValueError(
                f"a fresh {self._layer.name!r} has kernels of shape {tuple(taps.shape)}, but the model's have "
                f"{tuple(self._layer.taps.shape)}; fresh must build the architecture that is surveyed"
            )
        drawn = LayerFootprint(
            self._layer.name, self._layer.kind, self._layer.map_size, taps, periodic=self._layer.periodic
        )
        for name, values in self._found.items():
            values.append(drawn.statistic(name))
        self._bands.append(quantiles(drawn.mass_ratio.flatten(0, 1)))

    def finish(self) -> LayerFootprint:
        """The layer with what the draws measured."""
        found = {name: torch.tensor(values, dtype=torch.float64) for name, values in self._found.items()}
        return replace(self._layer, null=Null(len(self._bands), found, torch.stack(self._bands).mean(0)))


def draw_seed(*parts: object) -> int:
    """A seed of 64 bits that depends on the parts alone, and on all of them."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def rebuilt(fresh: Callable[[], nn.Module], seed: int, surveyed: nn.Module) -> nn.Module:
    """A model from its factory, on the CPU, with frozen filters of another seed than the factory's.

    Raises:
        TypeError: the factory returns something else.
        ValueError: it returns the surveyed model itself, which must stay as it is and is no draw.
    """
    with seeded(seed):
        model = fresh()
    if not isinstance(model, nn.Module):
        raise TypeError(f"fresh() returned a {type(model).__name__}; it must return a torch.nn.Module")
    if model is surveyed:
        raise ValueError(f"fresh() returned the surveyed {type(model).__name__} itself; it must build a new one")
    model = model.cpu().float()
    with torch.no_grad():
        for part in _reseeded(model, seed):
            part.reset_parameters()
    return model


def check_drawn_anew(first: nn.Module, second: nn.Module) -> None:
    """Compares two models of one factory; frozen filters do not count, since `rebuilt` gives them other seeds.

    Raises:
        ValueError: all that can be trained is the same, so that draws say nothing, and any difference seems large.
    """
    pairs = [pair for pair in zip(first.parameters(), second.parameters(), strict=False) if pair[0].requires_grad]
    if pairs and all(torch.equal(one, other) for one, other in pairs):
        raise ValueError(
            f"fresh() built the same weights twice in a {type(first).__name__}; its draws must differ, so let it "
            "neither seed the random state nor load weights"
        )


def redrawn(module: nn.Module, seed: int) -> nn.Module:
    """A copy on the CPU, in float32, with all weights drawn from the module's own initialisation.

    Frozen filters get another seed, since their weights are a function of it.

    Raises:
        ValueError: a part is under a parametrisation, so that drawing would write to a computed weight and change
            nothing; a plain `nn.ConvNd` alone is drawn as if it had none.
    """
    with seeded(seed):
        fresh = _unparametrised(module) if parametrize.is_parametrized(module) else copy.deepcopy(module).cpu().float()
    if any(parametrize.is_parametrized(part) for part in fresh.modules()):
        raise ValueError(_PARAMETRISED.format(kind=type(fresh).__name__))
    _reseeded(fresh, seed)
    with seeded(seed), torch.no_grad():
        for part in _drawable(fresh):
            part.reset_parameters()  # type: ignore[operator]
    return fresh


def _reseeded(module: nn.Module, seed: int) -> list[FrequencyFilter]:
    """Gives each frozen filter inside a seed of its own, to be drawn from, and returns them."""
    generator = torch.Generator().manual_seed(seed & (2**63 - 1))
    found = []
    for part in module.modules():
        if isinstance(part, FrequencyFilter) and part.frozen_seed is not None:
            part.frozen_seed = int(torch.randint(2**62, (), generator=generator))
            found.append(part)
    return found


def _unparametrised(module: nn.Module) -> nn.Module:
    """A fresh `nn.ConvNd` of the same shape; removing parametrisations would change the class that copies share."""
    for plain in PLAIN:
        if isinstance(module, plain):
            build: Callable[..., nn.Module] = plain
            return build(
                module.in_channels,
                module.out_channels,
                module.kernel_size,
                dilation=module.dilation,
                groups=module.groups,
                bias=module.bias is not None,
            )
    raise ValueError(_PARAMETRISED.format(kind=type(module).__name__))


def _drawable(module: nn.Module) -> list[nn.Module]:
    """The outermost modules that know how to draw themselves: a filter draws what is inside it."""
    if callable(getattr(module, "reset_parameters", None)):
        return [module]
    return [part for child in module.children() for part in _drawable(child)]
