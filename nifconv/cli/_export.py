"""`nifconv export`: an ONNX file, and what it costs."""

from __future__ import annotations

from enum import Enum
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
from nifconv.cli._output import check_outputs, say, working, write_json
from nifconv.cli._words import errors_in_options, warnings_in_options

# Written out, as in `_convert`: --help must not wait for torch, which nifconv.models.FORMS would import.
Form = Enum("Form", {word: word for word in ("baked", "matmul", "dft")}, type=str)  # type: ignore[misc]


def export_model(
    model: ModelArgument,
    output: Annotated[Path, typer.Option(help="File to write (.onnx).")],
    form: Annotated[
        Form,
        typer.Option(
            help="baked: plain convolutions; matmul: products with constant matrices, exact, for this input size; "
            "dft: frequency layers as they are, with DFT nodes."
        ),
    ] = Form["baked"],
    input_size: InputOption = "224",
    channels: ChannelsOption = 3,
    batch: Annotated[int, typer.Option(min=1, help="Batch size.")] = 1,
    tolerance: Annotated[float, typer.Option(help="Tolerance of bake, for --form baked.")] = 0.0,
    weights: WeightsOption = None,
    pretrained: PretrainedOption = False,
    num_classes: ClassesOption = None,
    trust: TrustOption = False,
    report: Annotated[Path | None, typer.Option(help="JSON file for the report.")] = None,
) -> None:
    """Exports a model to ONNX and reports the size of the file, its nodes, its error and its speed in onnxruntime."""
    # The exporter writes the weights of a large model into a second file.
    outputs = {"--output": output, "the weights of --output": output.with_name(f"{output.name}.data")}
    check_outputs({**outputs, "--report": report}, ".onnx", read=(model, weights))
    size = parse_pixels("--input-size", input_size)
    source = opened(model, weights, pretrained, num_classes, channels, trust)
    from nifconv.models import export_onnx

    x = noise(source.module, batch, channels, size)
    with errors_in_options(), warnings_in_options(), working(f"exporting {source.name} as {form.value}"):
        found = export_onnx(source.module, x, output, form=form.value, tolerance=tolerance)
    say(f"{described(source)}\n{found}\nwritten: {output}")
    if report is not None:
        write_json(report, found.to_dict())
