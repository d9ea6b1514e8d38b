"""`nifconv convert`: a model by name in, report and weights out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from nifconv.cli._models import load_model
from nifconv.cli._options import in_options, parse_pixels
from nifconv.cli._weights import load_weights
from nifconv.conversion import ConversionReport, convert
from nifconv.filters import PRESETS, TableFilter, frozen
from nifconv.functional import PADDING_MODES

_TABLE = "table"  # the one filter here that needs an argument, and so cannot be a preset
# Built by calls, since in a class body a member called `split` would hide the method of str.
Filter = Enum("Filter", {name: name for name in (*PRESETS, _TABLE)}, type=str)  # type: ignore[misc]
To = Enum("To", {word: word for word in ("split", "dense", "lc")}, type=str)  # type: ignore[misc]
PaddingMode = Enum("PaddingMode", {mode: mode for mode in PADDING_MODES}, type=str)  # type: ignore[misc]


def convert_model(
    model: Annotated[str, typer.Argument(help="Model name (torchvision or timm), or 'package.module:function'.")],
    to: Annotated[To, typer.Option(help="Structure of the new layers.")] = To["split"],
    expansion: Annotated[int, typer.Option(help="Filters per input channel, for --to lc.")] = 1,
    filter: Annotated[Filter, typer.Option(help="Kind of filter.")] = Filter["implicit"],
    table_size: Annotated[int, typer.Option(help="Base size in pixels, for --filter table.")] = 14,
    frozen_seed: Annotated[int | None, typer.Option(help="Draw the filters from this seed and freeze them.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="Name pattern of the layers to replace; repeatable.")] = None,
    kernel_size: Annotated[int | None, typer.Option(help="Taps per axis (default: as large as the map).")] = None,
    padding_mode: Annotated[
        PaddingMode | None,
        typer.Option(
            help="Padding mode of the new layers (default: unchanged; circular for kernels as large as the map, unless "
            "--match is given)."
        ),
    ] = None,
    match: Annotated[
        bool, typer.Option("--match", help="Keep the function of the model as closely as possible.")
    ] = False,
    tolerance: Annotated[float | None, typer.Option(help="Largest residual that --match accepts.")] = None,
    input_size: Annotated[str | None, typer.Option(help="Input size in pixels, 224 or 224x160, for --match.")] = None,
    channels: Annotated[int, typer.Option(min=1, help="Input channels, for --input-size.")] = 3,
    weights: Annotated[Path | None, typer.Option(help="State dict to load first: .safetensors or .pt.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="File for the converted model, to be read by nifconv.load.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file for the report.")] = None,
) -> None:
    """Replaces the spatial convolutions of a model by frequency convolutions and reports on each."""
    factory = partial(TableFilter, size=table_size) if filter.value == _TABLE else PRESETS[filter.value]
    net = load_model(model)
    if weights is not None:
        load_weights(net, weights)
    with _warnings_as_options():
        conversion = convert(
            net,
            to=to.value,
            expansion=expansion,
            filter=factory if frozen_seed is None else frozen(factory, seed=frozen_seed),
            where=where or None,  # a repeatable option that was not given may be an empty list
            kernel_size=kernel_size,
            padding_mode=None if padding_mode is None else padding_mode.value,
            match=match,
            tolerance=tolerance,
            example_input=None
            if input_size is None
            else torch.randn(1, channels, *parse_pixels("--input-size", input_size)),
            inplace=True,  # the model was built here, and nobody else holds it
        )
    console = Console()
    console.print(_table(conversion.report))
    console.print(conversion.report.summary, highlight=False)
    if report is not None:
        report.write_text(json.dumps(conversion.report.to_dict(), indent=2) + "\n")
    if output is not None:
        conversion.save(output)


@contextmanager
def _warnings_as_options() -> Iterator[None]:
    """A context whose warnings to users go to the terminal, in the words of the command line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)  # by default Python shows a repeated warning only once
        yield
    for warning in caught:
        typer.echo(f"nifconv: {in_options(str(warning.message))}", err=True)


def _table(report: ConversionReport) -> Table:
    table = Table("layer", "outcome", "parameters", box=None, pad_edge=False)
    for decision in report.decisions:
        change = f"{decision.parameters_before:,} -> {decision.parameters_after:,}" if decision.replaced else ""
        residual = "" if decision.residual is None else f"; residual {decision.residual:.2g}"
        style = None if decision.replaced else "dim"  # of a hundred layers, the replaced ones stand out
        verb = "replaced" if decision.replaced else "kept"
        table.add_row(decision.name or "(model)", f"{verb}: {decision.reason}{residual}", change, style=style)
    table.columns[2].justify = "right"
    return table
