"""One HTML file for one survey or several side by side; it needs neither a network nor other files."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nifconv._support.text import by_size
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint.figures._style import COLORS, NULL_COLOR
from nifconv.footprint.measures._statistics import quantiles
from nifconv.footprint.measures._table import BY_NAME, HEADLINE, MEASURES, Measure
from nifconv.footprint.page import _svg
from nifconv.footprint.receptive import ReceptiveField

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Layers = Mapping[str, Sequence[LayerFootprint]]
"""The layers of each survey, by its name."""


def render(
    layers: Layers,
    *,
    title: str,
    settings: Mapping[str, Mapping[str, Any]],
    fields: Sequence[ReceptiveField] = (),
) -> str:
    """The page as text.

    Args:
        layers: the layers of each survey by its name, which is not shown if there is only one.
        title: heading of the page.
        settings: how each survey was made, by its name.
        fields: effective receptive fields to show as well.

    Raises:
        ImportError: jinja2 or matplotlib is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ImportError("pages need jinja2; install it with: pip install 'nifconv[report]'") from error
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # names come from the model and the title from the user
        undefined=StrictUndefined,  # a misspelt name in the template raises instead of leaving a cell empty
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = _sections(layers)
    return environment.get_template("page.html.j2").render(
        title=title,
        names=[{"name": name or "this model", "color": COLORS[i % len(COLORS)]} for i, name in enumerate(layers)],
        several=len(layers) > 1,
        with_null=any(layer.null for members in layers.values() for layer in members),
        null_color=NULL_COLOR,
        measures=MEASURES,
        headline=[BY_NAME[name] for name in HEADLINE],
        rows=[row for section in sections for row in section["rows"]],
        stages=_by_stage(sections),
        figures=_figures(layers, fields),
        fields=[field.to_dict() for field in fields],
        settings=settings,
    )


def write(path: str | Path, page: str) -> None:
    """Writes the page as UTF-8, which it declares."""
    Path(path).write_text(page, encoding="utf-8")


def _sections(layers: Layers) -> list[dict[str, Any]]:
    """One section for each layer and map size, with a row for each survey that has it."""
    # By map size too: a layer that runs at two sizes has two global kernels.
    found: dict[tuple[str, tuple[int, ...]], list[tuple[int, str, LayerFootprint]]] = {}
    for index, (name, members) in enumerate(layers.items()):
        for layer in members:
            found.setdefault((layer.name, layer.map_size), []).append((index, name, layer))
    return [_section(number, beside) for number, beside in enumerate(found.values())]


def _section(number: int, members: Sequence[tuple[int, str, LayerFootprint]]) -> dict[str, Any]:
    first = members[0][2]  # in the first survey that has it; changes in the others are relative to it
    rows = [_row(number, index, name, layer, first) for index, name, layer in members]
    drawn = [_svg.gallery(layer, f"k{number}-{index}") for index, _, layer in members]
    return {
        "id": f"layer-{number}",
        "title": first.name or first.kind,
        "stage": first.stage or "model",
        "map_size": by_size(first.map_size),
        "rows": rows,
        "chart": _svg.mass_chart([(index, layer) for index, _, layer in members]),
        "galleries": list(zip(rows, drawn, strict=True)),
    }


def _row(number: int, index: int, name: str, layer: LayerFootprint, first: LayerFootprint) -> dict[str, Any]:
    return {
        "id": f"layer-{number}",
        "order": number,
        "survey": name or "this model",
        "color": COLORS[index % len(COLORS)],  # by survey, as in the figures and in the legend of the page
        "title": layer.name or layer.kind,
        "stage": layer.stage or "model",
        "kind": layer.kind,
        "map_size": by_size(layer.map_size),
        "map_pixels": math.prod(layer.map_size),
        "taps_size": by_size(layer.taps.shape[2:]),
        "taps": math.prod(layer.taps.shape[2:]),
        "kernels": layer.kernels,
        "values": {measure.name: _cell(layer, measure, first) for measure in MEASURES},
    }


def _cell(layer: LayerFootprint, measure: Measure, first: LayerFootprint) -> dict[str, Any]:
    """One measure of one layer, its change from the first survey, and the numbers that its columns are sorted by."""
    low, median, high = quantiles(layer.values(measure.name)[:, None])[:, 0].tolist()  # (kernels, 1) -> (3,)
    cell: dict[str, Any] = {
        "sort": "" if median != median else repr(median),  # all digits; the script sorts empty cells last
        "text": measure.format(median),
        "band": "" if measure.per_layer else f"{measure.format(low)} to {measure.format(high)}",
        "change": "" if layer is first else measure.format_change(median - first.statistic(measure.name)),
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
            # A large z alone can come from a few copies that happen to agree; p has to be small as well.
            cell |= {"z": f"{effect.z:+.1f}", "z_sort": repr(effect.z), "far": abs(effect.z) >= 3 and effect.p <= 0.1}
        cell["p"] = "" if effect.p != effect.p else f"{effect.p:.2g}"
    return cell


def _by_stage(sections: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    stages: dict[str, list[dict[str, Any]]] = {}
    for section in sections:
        stages.setdefault(section["stage"], []).append(section)
    return stages


def _figures(surveys: Layers, fields: Sequence[ReceptiveField]) -> list[tuple[str, str]]:
    """Caption and data URI of each figure."""
    from nifconv.footprint.figures import _curves, _galleries

    layers = {name: members for name, members in surveys.items() if members}  # figures refuse a survey without layers
    if not layers:
        return []
    drawn: list[tuple[str, Figure]] = [
        (
            "Effective size (90 % of the absolute weight) from the first layer to the last.",
            _curves.size_by_depth(layers),
        ),
        (
            "How the absolute weight gathers around the centre: median over the kernels, band from 10 to 90 %.",
            _curves.mass_curves(layers),
        ),
    ]
    for name, members in layers.items():  # galleries of two surveys would be too wide for one figure
        of = f" ({name})" if name else ""
        drawn += [
            (
                f"The strongest kernels{of}, enlarged to the window that holds 95 % of the mass.",
                _galleries.zoomed_gallery(members),
            ),
            (
                f"Principal kernels{of} and the share of the energy that each explains.",
                _galleries.principal_gallery(members),
            ),
            (f"Variance over the kernels of a layer at each position{of}.", _galleries.variance_maps(members)),
        ]
    drawn += [
        (
            f"Effective receptive field of {field.layer or 'the output'} on inputs of "
            f"{by_size(field.contribution.shape)} pixels.",
            field.plot(),
        )
        for field in fields
        if field.contribution.dim() < 3  # its numbers are in the table of fields in any case
    ]
    return [(caption, _data_uri(figure)) for caption, figure in drawn]


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})  # without matplotlib's version
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
