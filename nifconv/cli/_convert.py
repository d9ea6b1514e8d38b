"""`nifconv convert`: a model in, report and weights out."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nifconv.cli._filter import parse_filter
from nifconv.cli._model import (
    ChannelsOption,
    ClassesOption,
    ModelArgument,
    PretrainedOption,
    TrustOption,
    WeightsOption,
    described,
    noise,
    opened,
)
from nifconv.cli._options import parse_pixels
from nifconv.cli._output import Bar, check_outputs, say, say_listed, table, write_json
from nifconv.cli._words import errors_in_options, in_options, warnings_in_options

if TYPE_CHECKING:
    from nifconv.conversion import ConversionReport

# Written out, since --help must not wait for torch; a test compares them with the library. Built by calls, since in a
# class body a member called `split` would hide the method of str.
To = Enum("To", {word: word for word in ("split", "dense", "lc")}, type=str)  # type: ignore[misc]
PaddingMode = Enum(  # type: ignore[misc]
    "PaddingMode", {mode: mode for mode in ("circular", "zeros", "reflect", "replicate")}, type=str
)


def convert_model(
    model: ModelArgument,
    to: Annotated[
        To,
        typer.Option(
            help="split: one depthwise filter per input channel, then a 1x1 convolution; lc: several per channel; "
            "dense: channels and groups as before."
        ),
    ] = To["split"],
    expansion: Annotated[int, typer.Option(min=1, help="Filters per input channel, for --to lc.")] = 1,
    filter: Annotated[
        str,
        typer.Option(
            help="implicit, spatial, table, niff-small, niff-big or niff-tiny; or YAML or JSON, inline or as a file: "
            "'{ImplicitFilter: {hidden: [8, 4]}}', or a filter for each name or pattern, with null to keep layers: "
            "'{stages.2.*: implicit, _default: null}'."
        ),
    ] = "implicit",
    table_size: Annotated[int, typer.Option(min=1, help="Base size in pixels, for --filter table.")] = 14,
    frozen_seed: Annotated[
        int | None, typer.Option(help="Freeze the filters at random weights drawn from this seed.")
    ] = None,
    where: Annotated[list[str] | None, typer.Option(help="Name pattern of the layers to replace; repeatable.")] = None,
    kernel_size: Annotated[
        int | None,
        typer.Option(
            help="Taps per axis (default: as large as the map, or with --filter spatial as "
            "many as the replaced layer has)."
        ),
    ] = None,
    padding_mode: Annotated[
        PaddingMode | None,
        typer.Option(
            help="Padding mode of the new layers (default: unchanged; circular for kernels as large as the map, unless "
            "--match is given)."
        ),
    ] = None,
    match: Annotated[
        bool, typer.Option("--match", help="Keep the function of the model, as closely as the filters can.")
    ] = False,
    tolerance: Annotated[float | None, typer.Option(help="Largest residual that --match accepts.")] = None,
    input_size: Annotated[
        str | None,
        typer.Option(help="Input size in pixels, 224 or 224x160: count flops and, with --match, compare outputs."),
    ] = None,
    channels: ChannelsOption = 3,
    weights: WeightsOption = None,
    pretrained: PretrainedOption = False,
    num_classes: ClassesOption = None,
    trust: TrustOption = False,
    output: Annotated[
        Path | None,
        typer.Option(help="File for the converted model (.safetensors), which every command accepts as MODEL."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file for the report.")] = None,
) -> None:
    """Replaces the spatial convolutions of a model by frequency convolutions and reports on each."""
    check_outputs({"--output": output, "--report": report}, ".safetensors", read=(model, weights, filter))
    size = None if input_size is None else parse_pixels("--input-size", input_size)
    source = opened(model, weights, pretrained, num_classes, channels, trust)
    from nifconv.conversion import convert

    with errors_in_options(), warnings_in_options():
        conversion = convert(
            source.module,
            to=to.value,
            expansion=expansion,
            filter=parse_filter(filter, table_size, frozen_seed),
            where=where or None,
            kernel_size=kernel_size,
            padding_mode=None if padding_mode is None else padding_mode.value,
            match=match,
            tolerance=tolerance,
            example_input=None if size is None else noise(source.module, 1, channels, size),
            inplace=True,  # nothing else uses the model
            progress=Bar("matching"),
        )
    _show(conversion.report)
    say(f"{described(source)}\n{conversion.report.summary}")
    if report is not None:
        write_json(report, conversion.report.to_dict())
    if output is None:
        return
    if not conversion.report.replaced:
        # An error, since a script that goes on to use the file would otherwise fail later.
        raise typer.BadParameter("nothing was replaced, so nothing was written", param_hint="--output")
    with errors_in_options("--output"):
        conversion.save(output)
    say(f"written: {output}")


def _show(report: ConversionReport) -> None:
    """A row for each layer, with the reasons below; 1x1 convolutions are only counted."""
    shown = [layer for layer in report.layers if layer.replaced or not (layer.reason or "").startswith("1x1")]
    rows = [
        [
            layer.name or "(model)",
            f"{layer.parameters_before:,} -> {layer.parameters_after:,}" if layer.replaced else "kept",
            "" if layer.residual is None else f"{layer.residual:.2g}",
        ]
        for layer in shown
    ]
    # The last column is left out where nothing was matched, and every residual is missing.
    columns = [0, 1] if all(not row[2] for row in rows) else [0, 1, 2]
    header = ["layer", "parameters", "residual"]
    if rows:
        say(table([header[i] for i in columns], [[row[i] for i in columns] for row in rows]) + "\n")
    for reason, names in _by_reason(report).items():
        say_listed(in_options(reason), names)
    if hidden := len(report.layers) - len(shown):
        say(f"1x1 convolutions, with nothing spatial to replace: {hidden}")


def _by_reason(report: ConversionReport) -> dict[str, list[str]]:
    """Names of layers by what became of them, in words."""
    grouped: dict[str, list[str]] = {}
    for layer in report.layers:
        reason = str(layer.reason)
        if not reason.startswith("1x1"):
            grouped.setdefault(f"{'replaced' if layer.replaced else 'kept'}: {reason}", []).append(
                layer.name or "(model)"
            )
    return grouped
