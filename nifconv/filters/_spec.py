"""Filter factories as plain data, so that a saved model can say what it is made of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import nn

from nifconv.filters._bank import FilterBank
from nifconv.filters._encoding import FourierFeatures
from nifconv.filters._envelope import Envelope
from nifconv.filters._frozen import FrozenFactory
from nifconv.filters._implicit import ImplicitFilter, _within_budget
from nifconv.filters._spatial import SpatialFilter
from nifconv.filters._table import TableFilter

_CALLED: dict[str, Callable[..., Any]] = {
    "ImplicitFilter": ImplicitFilter,
    "ImplicitFilter.with_budget": _within_budget,
    "SpatialFilter": SpatialFilter,
    "TableFilter": TableFilter,
}
_MADE: dict[str, type] = {"Envelope": Envelope, "FourierFeatures": FourierFeatures, "frozen": FrozenFactory}
_NAMES: dict[Any, str] = {value: name for name, value in (*_CALLED.items(), *_MADE.items())}
_ACTIVATION, _BANK = "torch.nn.", "FilterBank"


def write_spec(value: Any) -> Any:
    """A filter factory of this library as data ready for JSON; `{"ImplicitFilter": {"hidden": [8, 4]}}`.

    Raises:
        ValueError: it is, or holds, something that is neither of this library nor of torch.nn.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [write_spec(entry) for entry in value]
    if isinstance(value, FilterBank):
        made = {"filter": value.factory, "kernels": value.filter.out_channels, "ndim": value.filter.ndim}
        return {_BANK: _write_all({**made, "kernel_size": value.kernel_size})}
    if type(value) in _NAMES:
        return {_NAMES[type(value)]: _write_all({field.name: getattr(value, field.name) for field in fields(value)})}
    bound = value.keywords if isinstance(value, functools.partial) and not value.args else {}
    called = value.func if bound else value
    if _NAMES.get(called) in _CALLED:
        return {_NAMES[called]: _write_all(bound)}
    name = _ACTIVATION + getattr(called, "__name__", "")
    if called is not None and _activation(name) is called:
        return {name: _write_all(bound)}
    raise ValueError(
        f"filter={value!r} cannot be written into a file: it is neither of nifconv nor a class of torch.nn; save "
        "model.state_dict(), and convert with the same arguments before loading it"
    )


def read_spec(spec: Any) -> Any:
    """What `write_spec` was given.

    Raises:
        ValueError: `spec` is nothing that `write_spec` returns.
    """
    if spec is None or isinstance(spec, bool | int | float | str):
        return spec
    if isinstance(spec, list):
        return tuple(read_spec(entry) for entry in spec)
    if isinstance(spec, dict) and len(spec) == 1:
        ((name, written),) = spec.items()
        if isinstance(written, dict):
            arguments = {key: read_spec(value) for key, value in written.items()}
            if name in _MADE:
                return _MADE[name](**arguments)
            if name == _BANK:
                return FilterBank(**arguments)
            called = _CALLED.get(name) or _activation(name)
            if called:
                return functools.partial(called, **arguments) if arguments else called
    raise ValueError(f"{spec!r} describes no filter; it was written by another version of nifconv, or altered")


def _write_all(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: write_spec(value) for name, value in arguments.items()}


def _activation(name: str) -> type[nn.Module] | None:
    found = getattr(nn, name.removeprefix(_ACTIVATION), None) if name.startswith(_ACTIVATION) else None
    return found if isinstance(found, type) and issubclass(found, nn.Module) else None
