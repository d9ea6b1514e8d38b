"""Building a model again from a file that says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nifconv._support import history, hub
from nifconv._support.arguments import torch_module
from nifconv._support.descriptions import refused
from nifconv._support.modules import copy_model, uncompiled
from nifconv._support.named import NamedModel
from nifconv.baking import Baked, put_layers, restore
from nifconv.conversion import (
    Conversion,
    check_tensors,
    check_unconverted,
    convert_again,
    is_converted,
    set_initial_gains,
)
from nifconv.models._content import Content, read_saved


def load(
    path: str | Path,
    base_model: nn.Module | None = None,
    *,
    trust: bool = False,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Conversion | Baked:
    """Rebuilds a model that `save` or `push_to_hub` of a `Conversion` or `Baked` wrote, and loads its weights.

    Args:
        path: the file, or its address on the Hugging Face Hub: "hf://owner/name" or "hf://owner/name@revision".
        base_model: a model of the architecture that was converted, with any weights; it is not changed, and the new
            model is on its device, without torch.compile around it. By default it is built by the name that the file
            gives, if it was saved with one, in the dtype of the weights.
        trust: do what the file asks for: call the function that it names as "package.module:function", or give
            torchvision or timm arguments with which they download or read other files. Without it, neither happens,
            and only code of nifconv, torchvision and timm runs, wherever the file is from.
        revision: branch, tag or commit on the Hub, if the address gives none; the main branch by default.
        token: access token for the Hub; by default that of `hf auth login` or of the variable HF_TOKEN.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `base_model` is not a module.
        ValueError: the file is truncated, altered or of another format, or does not fit `base_model`, which may be
            converted already; or without `base_model`, the file names none that can be built, or asks for more than
            is allowed without `trust`; or `revision` or `token` is given for a path.
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
    content = read_saved(hub.fetched(path, revision=revision, token=token))
    if base_model is None:
        model = build_base(content, named_base(content, trust=trust))
    else:
        model = uncompiled(copy_model(base_model))
        history.name_base(model, content.made["base"])
    if "baked" not in content.made:
        check_unconverted(content.made, model)
    result = rebuild(content, model)[1]
    if result is None:
        raise ValueError(f"{content.source!r} was neither converted nor baked; open it with nifconv.models.open_model")
    # Before loading, so that an error names each difference and no weight has been written yet.
    check_tensors(content.source, content.tensors, result.model.state_dict())
    result.model.load_state_dict(content.tensors)
    return result


def named_base(content: Content, *, trust: bool) -> NamedModel:
    """The base model that a file names.

    Args:
        content: what the file holds.
        trust: see `load`.

    Raises:
        ValueError: it names none; or it names a function, or arguments that fetch files, and `trust` is not given.
    """
    spec = content.made["base"]
    if spec is None:
        raise ValueError(
            f"{content.source!r} does not say which model was converted; give that model, or save it with base=..."
        )
    named = NamedModel.from_spec(spec)
    if named.is_code and not trust:
        raise ValueError(
            f"{content.source!r} was made from {named.name!r}, a function that is called only if you trust the file; "
            "give trust=True, or the model that the function returns"
        )
    check_fetching(content, named, trust=trust)
    return named


def check_fetching(content: Content, named: NamedModel, *, trust: bool) -> None:
    """Checks that a base model as a file describes it can be built without other files.

    Raises:
        ValueError: it needs other files, and `trust` is not given.
    """
    if named.fetching and not trust:
        raise ValueError(
            f"{content.source!r} gives {named.name!r} the arguments {', '.join(named.fetching)}, which download or "
            "read other files; give trust=True if you trust the file, or the model that was converted"
        )


def build_base(content: Content, named: NamedModel) -> nn.Module:
    """The base model that a file names, newly initialised, in the dtype of its weights.

    Raises:
        ValueError: it cannot be built, for example because it would exceed the memory.
    """
    with refused(content.source, f"names {named.name!r}, which cannot be built", "give the model that was converted"):
        model = named.build()
    return in_dtype_of(content, model)


def in_dtype_of(content: Content, model: nn.Module) -> nn.Module:
    """A newly built base model without torch.compile, in the dtype of the weights of a file, if they have only one."""
    inner = uncompiled(model)
    history.name_base(inner, history.of(model)["base"])
    found, own = (_dtypes(tensors) for tensors in (content.tensors, inner.state_dict()))
    # With several dtypes, the file does not say which of them each replaced layer had.
    return inner.to(dtype=next(iter(found))) if len(found) == 1 and found != own else inner


def rebuild(content: Content, model: nn.Module) -> tuple[nn.Module, Conversion | Baked | None]:
    """Converts and bakes a model in place as a file says, with weights yet to be loaded.

    Args:
        content: what the file holds.
        model: its base model; or the model after its conversions, which are then not repeated.

    Returns:
        The model, and its last bake if the file holds one, else its last conversion.

    Raises:
        ValueError: the description is incomplete or does not fit.
    """
    source, made, numbers = content.source, content.made, content.numbers
    result: Conversion | Baked | None = None
    # In the order in which they were made: a bake in between has left plain layers that later steps built on.
    converted = is_converted(made, model)
    for step in made["conversions"]:
        if "baked" in step:
            model = put_layers(source, step["baked"], model, numbers=numbers)
        elif not converted:
            result = convert_again(source, step, model, numbers=numbers)
            model = result.model
    set_initial_gains(source, made["gains"], model)
    if "baked" in made:
        result = restore(source, made, model, numbers=numbers)
        return result.model, result
    return model, None if result is None else replace(result, model=model)


def _dtypes(tensors: Mapping[str, Any]) -> set[torch.dtype]:
    return {value.dtype for value in tensors.values() if isinstance(value, Tensor) and value.is_floating_point()}
