"""Plain convolutions and padding layers: written as data, read from it and put into a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nifconv._support import history
from nifconv._support.descriptions import check_size, refused
from nifconv._support.modules import substitute
from nifconv.layers import CONVS

_ARGUMENTS = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
_KINDS: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        *CONVS.values(),
        *(
            getattr(nn, f"{word}{d}d")
            for word in ("ZeroPad", "CircularPad", "ReflectionPad", "ReplicationPad")
            for d in (1, 2, 3)
        ),
    )
}


def is_plain(module: object) -> bool:
    """Whether it is a module of the kind that `bake` puts in place of a frequency layer."""
    if isinstance(module, nn.Sequential):
        return all(map(is_plain, module))
    return type(module).__name__ in _KINDS


def write_layers(model: nn.Module, names: Sequence[str]) -> dict[str, Any]:
    """The modules that `bake` put at these places, as data ready for JSON."""
    return {name: _write(model.get_submodule(name)) for name in names}


def _write(module: nn.Module) -> Any:
    if isinstance(module, nn.Sequential):
        return [_write(child) for child in module]
    if isinstance(module, tuple(CONVS.values())):
        spec = {name: getattr(module, name) for name in _ARGUMENTS}
        return {type(module).__name__: {**spec, "bias": module.bias is not None}}
    return {type(module).__name__: {"padding": module.padding}}


def put_layers(source: str, written: Mapping[str, Any], model: nn.Module, *, numbers: int) -> nn.Module:
    """Puts the layers that `write_layers` wrote, with weights yet to be loaded, in their places in a model.

    Args:
        source: where the description is from, for messages.
        written: the layers by name.
        model: the model that was baked, or what it was before it was converted; changed in place.
        numbers: how many numbers the weights in the file have; a layer that would have more is not built.

    Returns:
        The model, which may itself be replaced; its history has one more step.

    Raises:
        ValueError: the description is incomplete or absurd, or `model` has no module at one of these places.
    """
    with refused(source, "has an incomplete description"):
        built = {name: _read(name, layer, numbers) for name, layer in written.items()}
    modules = dict(model.named_modules())
    if absent := [name for name in built if name not in modules]:
        raise ValueError(
            f"{source!r} was saved from another model: there is nothing at {absent[0]!r}; give a base_model of the "
            "architecture that was baked"
        )
    # Built on the meta device; memory is taken only now that every place is known to exist.
    for name, new in built.items():
        old = modules[name]
        like = next(old.parameters(), torch.empty(0))
        new.to_empty(device=like.device).to(like.dtype).train(old.training)
    made = substitute(model, {modules[name]: new for name, new in built.items()})
    history.add(made, history.of(model), {"baked": written})
    return made


def _read(name: str, written: Any, numbers: int) -> nn.Module:
    with torch.device("meta"):  # without memory: a line of text can ask for more than there is
        layer = _module(written)
    check_size(name, layer, numbers)
    return layer


def _module(written: Any) -> nn.Module:
    if isinstance(written, list):
        return nn.Sequential(*map(_module, written))
    ((kind, spec),) = written.items()
    # Only names in this table are looked up: a file cannot ask for code of its own.
    return _KINDS[kind](**as_tuples(spec))


def as_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """Turns lists, which is what JSON makes of tuples, back into tuples."""

    def as_tuple(value: Any) -> Any:
        return tuple(map(as_tuple, value)) if isinstance(value, list | tuple) else value

    return {key: as_tuple(value) for key, value in data.items()}
