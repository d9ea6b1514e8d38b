"""Plain convolutions and padding layers as data, and from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

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


def read_module(written: Any) -> nn.Module:
    """What `write_layers` wrote of one module, with weights yet to be loaded."""
    if isinstance(written, list):
        return nn.Sequential(*map(read_module, written))
    ((kind, spec),) = written.items()
    arguments = as_tuples(spec)
    if "groups" in arguments:
        return nn.utils.skip_init(_KINDS[kind], **arguments)
    return _KINDS[kind](**arguments)


def as_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """With lists, which is what JSON makes of tuples, as tuples again."""

    def as_tuple(value: Any) -> Any:
        return tuple(map(as_tuple, value)) if isinstance(value, list | tuple) else value

    return {key: as_tuple(value) for key, value in data.items()}
