"""`nifconv bench`: what a large kernel or a model costs on this machine, and where a direct sum is faster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nifconv.cli._model import (
    ChannelsOption,
    ClassesOption,
    InputOption,
    PretrainedOption,
    TrustOption,
    WeightsOption,
    described,
    noise,
    opened,
)
from nifconv.cli._options import parse_pixels
from nifconv.cli._output import check_writable, say, working
from nifconv.cli._words import errors_in_options


def bench(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A model, as for inspect (default: single layers).")
    ] = None,
    compare: Annotated[list[str] | None, typer.Option(help="Another model, timed beside MODEL; repeatable.")] = None,
    input_size: InputOption = "224",
    channels: ChannelsOption = 3,
    batch: Annotated[int, typer.Option(min=1, help="Batch size, for MODEL.")] = 1,
    weights: WeightsOption = None,
    pretrained: PretrainedOption = False,
    num_classes: ClassesOption = None,
    trust: TrustOption = False,
    crossover: Annotated[
        Path | None, typer.Option(help="File for a table, measured here, of where direct sums are faster.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number of rounds of each comparison.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Run only the smallest sizes, to try the command.")] = False,
    device: Annotated[
        str | None, typer.Option(help="Where to measure: cpu or cuda (default: the GPU if there is one).")
    ] = None,
) -> None:
    """Times a model, or global depthwise kernels against nn.Conv2d; or measures a table of crossovers.

    On a GPU the table also says where the fused kernels are faster than torch.fft.
    """
    check_writable("--crossover", crossover)
    size = parse_pixels("--input-size", input_size)
    if model is None and (compare or weights or pretrained or num_classes):
        raise typer.BadParameter(
            "--compare, --weights, --pretrained and --num-classes need a MODEL", param_hint="MODEL"
        )
    if model is not None and crossover is not None:
        raise typer.BadParameter("it measures single layers; leave out MODEL", param_hint="--crossover")
    from nifconv.cli import _timings  # here, since it imports torch

    place = _timings.device_of(device)
    if crossover is not None:
        _timings.write_crossovers(crossover, repeats, quick, place)
    elif model is None:
        _timings.time_layers(repeats, quick, place)
    else:
        # Options such as --weights belong to MODEL; what it is compared with is opened as it is.
        sources = [opened(model, weights, pretrained, num_classes, channels, trust)]
        sources += [opened(other, None, False, None, channels, trust) for other in compare or []]
        for source in sources:
            say(described(source))
        with errors_in_options("MODEL"), working("timing"):
            _timings.time_models(sources, noise(sources[0].module, batch, channels, size), repeats, place)
