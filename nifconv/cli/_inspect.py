"""`nifconv inspect`: how large are the kernels of a model?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from nifconv.cli._output import Bar, check_outputs, heading, say, width
from nifconv.cli._receptive import FieldOptions, fields_table, read_image
from nifconv.cli._surveys import Found, over_training, write
from nifconv.cli._words import errors_in_options, in_options

if TYPE_CHECKING:
    from torch import Tensor

    from nifconv.models import OpenedModel


def inspect_model(
    model: ModelArgument,
    weights: WeightsOption = None,
    pretrained: PretrainedOption = False,
    num_classes: ClassesOption = None,
    trust: TrustOption = False,
    input_size: InputOption = "224",
    channels: ChannelsOption = 3,
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
    erf_output: Annotated[
        str | None, typer.Option(help="Index or key of the output to use, if the layer returns several.")
    ] = None,
    erf_grid: Annotated[
        str | None,
        typer.Option(help="Grid of the layer's tokens, such as 14x14 (default: found from the input's shape)."),
    ] = None,
    erf_image: Annotated[
        Path | None, typer.Option(help="Image file over which --html draws the receptive field.")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="Another MODEL, or other weights of this one; repeatable.")
    ] = None,
    every_epoch: Annotated[
        bool,
        typer.Option(
            "--every-epoch",
            help="Kernel sizes over the training run in the folder MODEL: from the surveys of FootprintSurvey; or, "
            "with --html or without such surveys, from the checkpoints.",
        ),
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="CSV file for every measure of every layer.")] = None,
    html: Annotated[Path | None, typer.Option(help="HTML file for a page with tables and figures.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="JSON file for all results.")] = None,
) -> None:
    """Measures the kernels of a model at the map sizes they run at, and with --null beside re-initialised models."""
    size = parse_pixels("--input-size", input_size)
    asked = erf or any((erf_layer, erf_size, erf_output, erf_grid, erf_image))
    wanted = FieldOptions(
        sizes=[parse_pixels("--erf-size", text) for text in erf_size or [input_size]] if asked else [],
        layer=erf_layer,
        output=erf_output,
        grid=None if erf_grid is None else parse_pixels("--erf-grid", erf_grid),
    )
    if erf_image is not None and html is None:
        raise typer.BadParameter("it is drawn on the page; give --html too", param_hint="--erf-image")
    check_outputs(
        {"--csv": csv, "--html": html, "--json": json_path}, read=(model, weights, erf_image, *(compare or []))
    )
    image = read_image("--erf-image", erf_image)
    files = {"csv": csv, "html": html, "json": json_path}
    if every_epoch and (compare or asked or weights):
        raise typer.BadParameter(
            "it takes the folder of a run alone, without --compare, --weights or --erf", param_hint="--every-epoch"
        )
    if every_epoch and html is None and (Path(model) / "footprint").is_dir():
        over_training(Path(model), csv, json_path)
        return
    found: dict[str, Found] = {}
    names = _checkpoints(model) if every_epoch else [model, *(compare or [])]
    for name in names:
        given = (weights, pretrained, num_classes) if name == model else (None, False, None)
        source = _subject(name, model, given, channels, trust)
        key = source.name
        # One architecture initialised twice, or two files of the same name, are still two surveys.
        while key in found:
            key += " again"
        x = noise(source.module, 8, channels, size, seed)
        found[key] = _measure(source, x, null, seed, wanted)
        _show(source, found[key])
    write(found, image=image, **files)


def _checkpoints(run: str) -> list[str]:
    from nifconv.models import checkpoints

    found = [str(path) for path in checkpoints(Path(run))]
    if not found:
        raise typer.BadParameter(f"{run!r} is not the folder of a run: it holds no checkpoint", param_hint="MODEL")
    return found


def _subject(
    name: str, model: str, given: tuple[str | None, bool, int | None], channels: int, trust: bool
) -> OpenedModel:
    """A model to survey; a file that does not say what it belongs to holds weights for MODEL."""
    from nifconv.models import is_file, read

    if name != model and is_file(name) and not is_file(model):
        with errors_in_options("--compare"):
            described_by_itself = read(name).description is not None
        if not described_by_itself:
            return opened(model, name, False, given[2], channels, trust)
    return opened(name, *given, channels, trust)


def _measure(source: OpenedModel, x: Tensor, null: int, seed: int, wanted: FieldOptions) -> Found:
    from nifconv import footprint

    try:
        # Whole models are re-initialised, in the way the architecture does it itself.
        survey = footprint.survey(
            source.module, x[:1], null=null, seed=seed, fresh=source.fresh, progress=Bar(f"{source.name}: kernels")
        )
        fields = wanted.measure(source, x, seed) if wanted.sizes else ()
    except (RuntimeError, ValueError) as error:
        raise typer.BadParameter(
            f"{source.name} cannot be run on an input of shape {tuple(x[:1].shape)}, or cannot be measured: "
            f"{in_options(str(error)).replace('fresh()', source.name)}; see --input-size and --channels",
            param_hint="MODEL",
        ) from error
    return Found(survey, fields)


def _show(source: OpenedModel, found: Found) -> None:
    heading(described(source))
    say(found.survey.to_text(width()) if found.survey.layers else "no spatial convolution ran")
    if found.fields:
        heading("\neffective receptive field, side in pixels (share of the input's area)")
        say(fields_table(found.fields))
    say("")
