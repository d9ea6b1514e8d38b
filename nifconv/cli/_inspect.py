"""`nifconv inspect`: how large are the kernels of a model?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from nifconv import footprint
from nifconv._support.text import by_size
from nifconv.cli._models import load_model
from nifconv.cli._options import parse_pixels
from nifconv.cli._weights import SUFFIXES, load_weights
from nifconv.footprint import LayerFootprint, ReceptiveField, Survey
from nifconv.footprint.measures import BY_NAME, HEADLINE


def inspect_model(
    model: Annotated[str, typer.Argument(help="Model name (torchvision or timm), or 'package.module:function'.")],
    weights: Annotated[
        Path | None, typer.Option(help="State dict to load: .safetensors, or .pt (read without running code).")
    ] = None,
    input_size: Annotated[str, typer.Option(help="Input size in pixels: 224, 224x160 or 64x64x64.")] = "224",
    channels: Annotated[int, typer.Option(min=1, help="Input channels.")] = 3,
    null: Annotated[
        int, typer.Option(min=0, help="Re-initialised models in the null distribution; use 20 or more.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the null distribution and of the input noise.")] = 0,
    erf: Annotated[
        bool, typer.Option("--erf", help="Also measure the effective receptive field, on 8 inputs.")
    ] = False,
    erf_layer: Annotated[
        str | None, typer.Option(help="Layer to measure (default: last with a spatial output).")
    ] = None,
    erf_size: Annotated[
        list[str] | None, typer.Option(help="Input size for --erf; repeatable (default: --input-size).")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="Another model, or other weights of this one; repeatable.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="CSV file for every measure of every layer.", dir_okay=False)] = None,
    html: Annotated[
        Path | None, typer.Option(help="HTML file for a page with tables and figures.", dir_okay=False)
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="JSON file for everything.", dir_okay=False)] = None,
) -> None:
    """Measures the kernels of a model at the map sizes they run at, and compares them with re-initialised models."""
    size = parse_pixels("--input-size", input_size)
    sizes = [parse_pixels("--erf-size", text) for text in erf_size or [input_size]]
    for path in (csv, html, json_path):  # now, rather than after minutes of measuring
        if path is not None and not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"{path.absolute().parent} is not a folder; create it first", param_hint=str(path))
    console = Console()
    # Eight inputs to average receptive fields over; a survey needs one, to see the sizes of the maps.
    x = torch.randn(8, channels, *size, generator=torch.Generator().manual_seed(seed))
    wanted = sizes if erf or erf_layer or erf_size else []  # the other two options imply --erf
    surveys: dict[str, Survey] = {}
    fields: dict[str, tuple[ReceptiveField, ...]] = {}
    for name, (source, file) in _subjects(model, weights, compare or []).items():
        surveys[name], fields[name] = _measure(name, source, file, x, null, seed, wanted, erf_layer)
    for name, survey in surveys.items():
        console.print(_layer_table(name, survey))
        if fields[name]:
            console.print(_field_table(name, fields[name]))
    _write(surveys, fields, csv, html, json_path)
    for path in (csv, html, json_path):
        if path is not None:
            console.print(Text(f"written: {path}"))


def _measure(
    name: str,
    source: str,
    file: Path | None,
    x: Tensor,
    null: int,
    seed: int,
    sizes: Sequence[tuple[int, ...]],
    erf_layer: str | None,
) -> tuple[Survey, tuple[ReceptiveField, ...]]:
    bar = Console(stderr=True)  # standard output may be a file, which should hold the tables alone
    model = _load(source, file)
    # Whole models, so that the null distribution has the initialisation of this architecture, not that of nn.ConvNd.
    fresh = partial(load_model, source)
    try:
        watch = _bar(f"{name}: kernels", bar)
        survey = footprint.survey(model, x[:1], null=null, seed=seed, fresh=fresh, progress=watch)
        if not sizes:
            return survey, ()
        watch = _bar(f"{name}: receptive field", bar)
        return survey, footprint.effective_receptive_field(
            model, x, layer=erf_layer, sizes=sizes, seed=seed, progress=watch
        )
    except (RuntimeError, ValueError) as error:
        raise typer.BadParameter(
            f"{name} cannot be run on an input of shape {tuple(x[:1].shape)}, or cannot be measured: {error}",
            param_hint="MODEL",
        ) from error


def _load(source: str, file: Path | None) -> nn.Module:
    try:
        model = load_model(source)
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(str(error), param_hint="MODEL") from error
    if file is not None:
        try:
            load_weights(model, file)
        except (OSError, ValueError) as error:
            raise typer.BadParameter(str(error), param_hint="--weights") from error
    return model


def _subjects(model: str, weights: Path | None, others: Sequence[str]) -> dict[str, tuple[str, Path | None]]:
    """Model and weights of each survey, by the name to show."""
    subjects = {model if weights is None else f"{model}, {weights.name}": (model, weights)}
    for other in others:
        path = Path(other) if other.endswith(SUFFIXES) else None
        name = f"{model}, {path.name}" if path else other
        # One architecture initialised twice, or two files with one name, are still two surveys.
        while name in subjects:
            name += " again"
        subjects[name] = (model, path) if path else (other, None)
    return subjects


def _layer_table(name: str, survey: Survey) -> Table:
    """A row for each layer: the main measures, and in brackets how far each lies from the null distribution."""
    with_null = any(layer.null for layer in survey.layers)
    title = f"{name}: kernels, median of each layer{' (z against the null)' if with_null else ''}"
    table = Table(title=Text(title), title_justify="left")
    # Wide enough for most names, which rich would otherwise fold first in a narrow terminal.
    table.add_column("layer", overflow="fold", min_width=min(max((len(x.name) for x in survey.layers), default=5), 36))
    table.add_column("kind")
    table.add_column("map", justify="right", no_wrap=True)
    table.add_column("kernel", justify="right", no_wrap=True)
    for key in HEADLINE:
        measure = BY_NAME[key]
        table.add_column(f"{measure.label}{', ' + measure.unit if measure.unit else ''}", justify="right")
    stage = None
    for layer in survey.layers:
        if stage is not None and layer.stage != stage:
            table.add_section()
        stage = layer.stage
        sizes = (by_size(layer.map_size), by_size(layer.taps.shape[2:]))
        # Text, since rich would read square brackets in a name as markup.
        table.add_row(Text(layer.name or layer.kind), layer.kind, *sizes, *_measured(layer))
    if not survey.layers:
        table.caption = Text("no spatial convolution ran")
    if survey.not_run:  # says more than that none ran, and replaces it
        table.caption = Text(f"did not run: {', '.join(survey.not_run)}")
    return table


def _measured(layer: LayerFootprint) -> list[str]:
    cells = []
    for key in HEADLINE:
        value = layer.statistic(key)
        z = layer.null.effect(key, value).z if layer.null else None  # also None if all copies measured the same
        cells.append(BY_NAME[key].format(value) + ("" if z is None else f" ({z:+.1f})"))
    return cells


def _field_table(name: str, fields: Sequence[ReceptiveField]) -> Table:
    table = Table(title=Text(f"{name}: effective receptive field, side in pixels (share of the input's area)"))
    table.title_justify = "left"
    table.add_column("layer")
    table.add_column("input", justify="right")
    rows = [field.to_dict() for field in fields]
    for share in rows[0]["side"]:  # the same thresholds in every field
        table.add_column(f"{100 * float(share):g} %", justify="right")
    table.add_column("Gaussian", justify="right")
    for row in rows:
        cells = [
            "-" if side is None else f"{side:.0f} ({100 * row['area'][share]:.0f} %)"  # None: nothing contributes
            for share, side in row["side"].items()
        ]
        cells.append("-" if row["gaussian"] is None else f"{100 * row['gaussian']:.0f} %")
        table.add_row(Text(row["layer"] or "output"), by_size(row["size"]), *cells)
    return table


def _write(
    surveys: dict[str, Survey],
    fields: dict[str, tuple[ReceptiveField, ...]],
    csv: Path | None,
    html: Path | None,
    json_path: Path | None,
) -> None:
    several = len(surveys) > 1
    name, survey = next(iter(surveys.items()))
    found = footprint.compare(surveys) if several else survey
    if csv is not None:
        found.to_csv(csv)
    if html is not None:
        if several:
            footprint.compare(surveys).to_html(html, fields=fields)
        else:
            survey.to_html(html, title=f"Kernels of {name}", fields=fields.get(name, ()))
    if json_path is not None:
        receptive = {key: [field.to_dict() for field in some] for key, some in fields.items()}
        data: dict[str, Any] = {key: value.to_dict() for key, value in surveys.items()}
        # NaN is not JSON; to_dict has None instead, and a NaN that slipped through should fail here.
        text = json.dumps({"surveys": data, "receptive_fields": receptive}, indent=2, allow_nan=False)
        json_path.write_text(text + "\n", encoding="utf-8")


def _bar(label: str, console: Console) -> Callable[[Sequence[Any]], Iterable[Any]]:
    return lambda jobs: track(jobs, Text(label).plain, console=console, transient=True)
