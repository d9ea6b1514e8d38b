"""`nifconv bake`: frequency layers back into plain convolutions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nifconv.cli._model import (
    ChannelsOption,
    ClassesOption,
    InputOption,
    ModelArgument,
    PretrainedOption,
    TrustOption,
    WeightsOption,
    described,
    noise,
    opened,
)
from nifconv.cli._options import parse_pixels
from nifconv.cli._output import Bar, check_writable, say, table, write_json
from nifconv.cli._words import errors_in_options, warnings_in_options


def bake_model(
    model: ModelArgument,
    input_size: InputOption = "224",
    channels: ChannelsOption = 3,
    tolerance: Annotated[
        float, typer.Option(help="Largest change of a pixel, relative to the largest output a layer can give.")
    ] = 0.0,
    weights: WeightsOption = None,
    pretrained: PretrainedOption = False,
    num_classes: ClassesOption = None,
    trust: TrustOption = False,
    output: Annotated[
        Path | None, typer.Option(help="File for the baked model (.safetensors), which every command accepts as MODEL.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file for the report.")] = None,
) -> None:
    """Turns every frequency layer into plain convolutions, with kernels for the maps that this input size produces."""
    # Paths and sizes are checked before torch is imported and a model is loaded, so that a typing error costs no time.
    check_writable("--output", output, (".safetensors",), read=(model, weights))
    check_writable("--report", report)
    size = parse_pixels("--input-size", input_size)
    source = opened(model, weights, pretrained, num_classes, channels, trust)
    from nifconv._support.text import by_size
    from nifconv.baking import bake

    with errors_in_options(), warnings_in_options():
        baked = bake(
            source.module, noise(source.module, 1, channels, size), tolerance=tolerance, progress=Bar("baking")
        )
    found = baked.report
    if not found.layers:
        raise typer.BadParameter(
            f"{source.name} has no frequency layer to bake; convert it first, or give a file of a converted model",
            param_hint="MODEL",
        )
    header = ["layer", "taps, px", "baked, px", "bound", "error", "output change", "smallest map, px"]
    say(
        table(
            header,
            [
                [
                    layer.name or "(model)",
                    by_size(layer.kernel_before or ()),
                    by_size(layer.kernel_after or ()),
                    f"{layer.bound:.2g}",
                    f"{layer.error:.2g}",
                    f"{layer.change:.2g}",
                    by_size(layer.smallest_map or ()),
                ]
                for layer in found.replaced
            ],
        )
    )
    say("bound, error: change of a pixel, relative to the largest output; output change: relative to its norm")
    # Below the table: a kept layer has a reason instead of numbers.
    for layer in found.kept:
        say(f"{layer.name}: {layer.reason}")
    say(f"{described(source)}\n{found.summary}")
    if report is not None:
        write_json(report, found.to_dict())
    if output is not None:
        with errors_in_options("--output"):
            baked.save(output)
        say(f"written: {output}")
