"""Layers as rows: what the tables of a page show, each number as text and with all the digits to sort it by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nifconv._support.text import by_size
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint.figures._style import COLORS
from nifconv.footprint.measures._statistics import quantiles
from nifconv.footprint.measures._table import HEADLINE, MEASURES, Measure
from nifconv.footprint.page import _svg

Layers = Mapping[str, Sequence[LayerFootprint]]
"""The layers of each survey, by its name."""

_KERNELS = 8  # pictures for each layer, on a page with room for them
_SMALLEST = 15**2  # pixels; kernels up to this size are never cut
_PIXELS = 500_000  # in all pictures of kernels on a page; each takes a byte or two


def sections(layers: Layers) -> list[dict[str, Any]]:
    """One section for each layer and map size, with a row for each survey that has it."""
    # By map size too: a layer that runs at two sizes has two global kernels.
    found: dict[tuple[str, tuple[int, ...]], dict[int, LayerFootprint]] = {}
    for side, members in enumerate(layers.values()):
        for layer in members:
            found.setdefault((layer.name, layer.map_size), {})[side] = layer
    names = [name or "this model" for name in layers]
    tiles = [_svg.tile_pixels(layer) for beside in found.values() for layer in beside.values()]
    count = min(max(_PIXELS // max(sum(tiles), 1), 1), _KERNELS)
    # Even a kernel for each layer may be too much; then the large ones are cut to their share.
    pixels = max(_PIXELS // max(len(tiles), 1), _SMALLEST) if sum(tiles) > _PIXELS else _PIXELS
    return [_section(number, beside, names, count, pixels) for number, beside in enumerate(found.values())]


def by_stage(found: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The sections of each stage, in the order in which stages first ran."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for section in found:
        stages.setdefault(section["stage"], []).append(section)
    return stages


def sides(found: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The data with which the script of a comparison fills its table: by layer, survey and main measure.

    Each cell has value and text of the median, of the change from the first survey and of z, and whether it is far.
    """
    keys = ("sort", "text", "change_sort", "change", "z_sort", "z", "far")
    by_name = {measure.name: measure for measure in MEASURES}
    return {
        "names": list(names),
        "measures": [by_name[name].heading for name in HEADLINE],
        "layers": [
            [side and [[side[name][key] for key in keys] for name in HEADLINE] for side in section["sides"]]
            for section in found
        ],
    }


def _section(
    number: int, beside: Mapping[int, LayerFootprint], names: Sequence[str], count: int, pixels: int
) -> dict[str, Any]:
    shown = next(iter(beside.values()))
    # Changes are relative to the first survey; a layer that it lacks has none.
    rows = [
        {
            **_row(side, names[side], layer, beside.get(0)),
            "gallery": _svg.gallery(layer, f"k{number}-{side}", count, pixels),
        }
        for side, layer in beside.items()
    ]
    values = {row["side"]: row["values"] for row in rows}
    return {
        "id": f"layer-{number}",
        "order": number,
        "key": (shown.name, shown.map_size),
        "title": shown.name or shown.kind,
        "stage": shown.stage or "model",
        "map_size": by_size(shown.map_size),
        "rows": rows,
        "sides": [values.get(side) for side in range(len(names))],
        "chart": _svg.mass_chart(beside, several=len(names) > 1),
    }


def _row(side: int, name: str, layer: LayerFootprint, first: LayerFootprint | None) -> dict[str, Any]:
    return {
        "side": side,
        "survey": name,
        "color": COLORS[side % len(COLORS)],  # by survey, as in the figures and in the legend of the page
        "kind": layer.kind,
        "map_pixels": math.prod(layer.map_size),
        "taps_size": by_size(layer.taps.shape[2:]),
        "taps": math.prod(layer.taps.shape[2:]),
        "kernels": layer.kernels,
        "values": {measure.name: _cell(layer, measure, first) for measure in MEASURES},
    }


def _cell(layer: LayerFootprint, measure: Measure, first: LayerFootprint | None) -> dict[str, Any]:
    """One measure of one layer, its change from the first survey, and the numbers that its columns are sorted by."""
    low, median, high = quantiles(layer.values(measure.name)[:, None])[:, 0].tolist()  # (kernels, 1) -> (3,)
    change = math.nan if first is None or first is layer else median - first.statistic(measure.name)
    cell: dict[str, Any] = {
        "sort": _digits(median),
        "text": measure.format(median),
        "band": "" if measure.per_layer else f"{measure.format(low)} to {measure.format(high)}",
        "change_sort": _digits(change),
        "change": measure.format_change(change) if change else "0",
        "null": "",
        "z": "",
        "p": "",
        "z_sort": "",
        "far": False,
    }
    if layer.null:
        effect = layer.null.effect(measure.name, layer.statistic(measure.name))
        cell["null"] = f"{measure.format(effect.mean)} ({measure.format(effect.low)} to {measure.format(effect.high)})"
        if effect.z is not None:
            cell |= {"z": f"{effect.z:+.1f}", "z_sort": _digits(effect.z), "far": effect.is_evidence}
        cell["p"] = "" if effect.p != effect.p else f"{effect.p:.2g}"
    return cell


def _digits(value: float) -> str:
    return "" if value != value else repr(value)  # all digits; the script sorts empty cells last
