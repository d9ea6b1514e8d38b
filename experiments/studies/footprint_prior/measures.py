"""What results.json holds of a survey: numbers for each layer."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nifconv.footprint import LayerFootprint, NullDistribution, Survey

MASS_3, MASS_5, HALF, ENERGY, SIZE, RELATIVE, ALIGNED, RADIUS = (
    "mass3",
    "mass5",
    "mass_half",
    "energy_half",
    "size90",
    "relative_size90",
    "aligned_size90",
    "rms_radius",
)
BEFORE, AFTER, CHANGE, NULL = "before", "after", "change", "null"
TESTED = (MASS_3, SIZE, ALIGNED, RADIUS)
"""What the survey measures on every fresh draw by itself, so that there is a deviation and a z."""
CURVE = "mass"
"""Mass within each window."""
_DIGITS = 5


def half_window(side: int) -> int:
    """The largest odd window that is at most half as wide as the map: 24 -> 11, 12 -> 5, 6 -> 3."""
    half = side // 2
    return half if half % 2 else half - 1


def compare(before: Survey, after: Survey) -> list[dict[str, Any]]:
    """One entry for each layer: untrained, trained, what training has added to the taps, and re-initialised copies.

    Args:
        before: of the untrained net, with re-initialised copies.
        after: of the same net, trained.
    """
    return [_compare(one, other) for one, other in zip(before.layers, after.layers, strict=True)]


def state_of(layer: LayerFootprint) -> dict[str, Any]:
    """Medians over the kernels of a layer; `CURVE` by window."""
    mass, energy = (
        ratio.flatten(0, 1).quantile(0.5, dim=0).tolist() for ratio in (layer.mass_ratio, layer.energy_ratio)
    )
    side = layer.map_size[0]
    state = {**_windows(mass, side), ENERGY: energy[half_window(side) // 2]}
    return _rounded({**state, **_sizes({name: layer.statistic(name) for name in (SIZE, ALIGNED, RADIUS)}, side)})


def by_seed(row: Mapping[str, Any], state: str, measure: str) -> list[float]:
    """A measure of each of a row's nets: the mean over its layers."""
    return [statistics.mean(layer[state][measure] for layer in run["layers"]) for run in row["runs"]]


def mean_of(values: Sequence[Any]) -> Any:
    """The mean over runs of everything that `compare` gives; windows of the curves one by one."""
    first = values[0]
    if isinstance(first, Mapping):
        return {key: mean_of([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [mean_of(column) for column in zip(*values, strict=True)]
    return statistics.mean(values)


def without_curves(layer: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of `compare` without what is long."""
    return {
        key: {name: one for name, one in value.items() if name != CURVE} if isinstance(value, Mapping) else value
        for key, value in layer.items()
    }


def _compare(before: LayerFootprint, after: LayerFootprint) -> dict[str, Any]:
    return {
        "map": after.map_size[0],
        BEFORE: state_of(before),
        AFTER: state_of(after),
        CHANGE: state_of(replace(after, taps=after.taps - before.taps)),
        NULL: _null_of(before),
        "effects": {
            state: {measure: _effect(before, layer, measure) for measure in TESTED}
            for state, layer in ((BEFORE, before), (AFTER, after))
        },
        "moved": round(((after.taps - before.taps).norm() / before.taps.norm()).item(), _DIGITS),
    }


def _null_of(layer: LayerFootprint) -> dict[str, Any]:
    null, side = _null(layer), layer.map_size[0]
    sizes = {name: null.statistics[name].mean().item() for name in (SIZE, ALIGNED, RADIUS)}
    return _rounded({**_windows(null.mass_band[1].tolist(), side), **_sizes(sizes, side)})


def _effect(drawn: LayerFootprint, layer: LayerFootprint, measure: str) -> dict[str, Any]:
    effect = _null(drawn).effect(measure, layer.statistic(measure))
    return _rounded({"deviation": effect.std, "z": effect.z})


def _null(layer: LayerFootprint) -> NullDistribution:
    if layer.null is None:
        raise ValueError(
            f"layer {layer.name!r} was surveyed with null=0 and has no re-initialised copies; use 20 or more"
        )
    return layer.null


def _windows(mass: Sequence[float], side: int) -> dict[str, Any]:
    return {CURVE: list(mass), MASS_3: mass[1], MASS_5: mass[2], HALF: mass[half_window(side) // 2]}


def _sizes(sizes: Mapping[str, float], side: int) -> dict[str, float]:
    return {**sizes, RELATIVE: min(sizes[SIZE], side) / side}


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [round(one, _DIGITS) for one in value] if isinstance(value, list) else round(value, _DIGITS)
        for key, value in values.items()
    }
