"""The options by which every command takes a model, and opening it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nifconv.cli._options import Pixels
from nifconv.cli._words import errors_in_options

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nifconv.models import OpenedModel

MODEL_HELP = (
    "A model: a name from torchvision or timm, 'package.module:function', a file that convert or bake wrote, such a "
    "file on the Hugging Face Hub as hf://owner/name, a checkpoint of experiments.train, or the folder of its run."
)
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        help="Weights for MODEL: .safetensors; .pt, .pth or .ckpt (read without running code), or hf://owner/name."
    ),
]
PretrainedOption = Annotated[
    bool, typer.Option("--pretrained", help="Download the weights that torchvision or timm publishes.")
]
ClassesOption = Annotated[int | None, typer.Option(min=1, help="Number of outputs, if MODEL is a name.")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Do what a file asks for: call a function, or fetch other files.")
]
InputOption = Annotated[
    str,
    typer.Option(help="Input size in pixels: 224x160 (rows, columns), 64x64x64, or 224 for every axis of the model."),
]
ChannelsOption = Annotated[int, typer.Option(min=1, help="Number of input channels.")]


def opened(
    what: str,
    weights: str | None = None,
    pretrained: bool = False,
    num_classes: int | None = None,
    channels: int = 3,
    trust: bool = False,
) -> OpenedModel:
    """Opens a model; errors speak of options.

    Raises:
        typer.BadParameter: it cannot be opened.
    """
    from nifconv.models import is_file, open_model, takes

    with errors_in_options("MODEL" if weights is None else "--weights"):
        # A user's function without such an argument is taken to return a model that reads this many channels.
        told = channels != 3 and not is_file(what) and takes(what, "in_channels")
        return open_model(
            what,
            weights=weights,
            pretrained=pretrained,
            num_classes=num_classes,
            in_channels=channels if told else None,
            trust=trust,
        )


def noise(model: nn.Module, batch: int, channels: int, size: Pixels, seed: int = 0) -> Tensor:
    """An example input: normal noise, `(batch, channels, *size)`, with as many axes as the first convolution has.

    A size with a number for each axis is taken as it is.

    Raises:
        typer.BadParameter: it is too large for the memory.
    """
    import torch

    from nifconv.layers import as_convolution

    # Only its convolutions tell whether a model reads signals, images or volumes.
    convolutions = (as_convolution(module) for module in model.modules())
    ndim = next((len(found.stride) for found in convolutions if found is not None), 2)
    shape = (batch, channels, *((size,) * ndim if isinstance(size, int) else size))
    try:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    except (RuntimeError, TypeError) as error:  # no memory, or a number too large for torch
        raise typer.BadParameter(
            f"an input of shape {shape} is too large for this machine; give fewer pixels", param_hint="--input-size"
        ) from error


def described(model: OpenedModel) -> str:
    """A line that says what was opened, and whose weights it has."""
    return f"{model.name}: {type(model.module).__name__}, weights: {model.weights}"
