"""Building a model again from a file that says how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from nifconv._support import hub, saved
from nifconv._support.arguments import torch_module
from nifconv._support.modules import copy_model
from nifconv._support.named import NamedModel
from nifconv.baking import Baked, restore
from nifconv.conversion import Conversion, check_tensors, check_unconverted, convert_again, is_converted


def load(
    path: str | Path,
    base_model: nn.Module | None = None,
    *,
    trust: bool = False,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Conversion | Baked:
    """Builds the model again that `save` or `push_to_hub` of a `Conversion` or `Baked` wrote, and loads its weights.

    Args:
        path: of the file, or its address on the Hugging Face Hub: "hf://owner/name" or "hf://owner/name@revision".
        base_model: a model of the architecture that was converted, with any weights; it is not changed, and the new
            model is on its device. By default it is built by the name that the file gives, if it was saved with one.
        trust: call the function that the file names as "package.module:function", if it does. Without it, no code runs
            but that of nifconv, torchvision and timm, wherever the file is from.
        revision: branch, tag or commit on the Hub, if the address gives none; the main branch by default.
        token: for the Hub; by default that of `hf auth login` or of the variable HF_TOKEN.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `base_model` is not a module.
        ValueError: the file is truncated, altered or of another format, or does not fit `base_model`, which may be
            converted already; or there is none, and the file does not name one, or a function without `trust`; or
            `revision` or `token` is given for a path.
        ImportError: safetensors, or for the Hub huggingface_hub, is not installed.

    >>> import nifconv, tempfile
    >>> net = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "net.safetensors"
    ...     nifconv.convert(net, to="dense").save(path)
    ...     model = nifconv.load(path, net).model
    >>> type(model[0]).__name__
    'FrequencyConv2d'
    """
    if base_model is not None:
        torch_module("base_model", base_model)
    tensors, description = saved.read(hub.fetched(path, revision=revision, token=token))
    if not isinstance(description, dict) or not {"base", "conversions", "gains"} <= set(description):
        raise ValueError(f"{str(path)!r} has an incomplete description; save it again")
    model = base(str(path), description, trust=trust) if base_model is None else copy_model(base_model)
    if "baked" not in description:
        check_unconverted(str(path), description, model)
    result = rebuild(str(path), description, model, numbers=count(tensors))
    check_tensors(str(path), tensors, result.model.state_dict())
    result.model.load_state_dict(tensors)
    return result


def base(source: str, description: Mapping[str, Any], *, trust: bool) -> nn.Module:
    """The base model that a description names, newly initialised.

    Args:
        source: where the description is from, for messages.
        description: with the entry "base".
        trust: see `load`.

    Raises:
        ValueError: it names none in a way that can be read, or a function without `trust`.
    """
    if description["base"] is None:
        raise ValueError(
            f"{source!r} does not say which model was converted; give that model, or save it with base=..."
        )
    try:
        named = NamedModel.from_spec(description["base"])
    except ValueError as error:
        raise ValueError(f"the base model of {source!r}: {error}; save it again, or give that model") from error
    if named.is_code and not trust:
        raise ValueError(
            f"{source!r} was made of {named.name!r}, a function that nothing calls unless you trust the file; give "
            "trust=True, or the model that this function returns"
        )
    return named.build()


def count(tensors: Mapping[str, Tensor]) -> int:
    """How many numbers a file holds."""
    return sum(tensor.numel() for tensor in tensors.values())


def rebuild(source: str, description: Mapping[str, Any], model: nn.Module, *, numbers: int) -> Conversion | Baked:
    """Converts and bakes a model in place as the description says, with weights yet to be loaded.

    Args:
        source, description, model, numbers: see `nifconv.conversion.convert_again`.

    Raises:
        ValueError: the description is incomplete or does not fit.
    """
    if "baked" in description:
        if description["conversions"] and not is_converted(source, description, model):
            model = convert_again(source, description, model, numbers=numbers).model
        return restore(source, description, model)
    return convert_again(source, description, model, numbers=numbers)
