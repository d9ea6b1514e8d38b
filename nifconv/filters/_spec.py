"""Filter factories as plain data, so that a file can say which filters a model has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from torch import nn

_Class = TypeVar("_Class", bound=type)
_CLASSES: dict[str, type] = {}
_NAMES: dict[Any, str] = {}
_ARGUMENTS: dict[type, Callable[[Any], dict[str, Any]]] = {}
_ACTIVATION = "torch.nn."  # the only other place where names are looked up: a file cannot name code of its own


def savable(
    name: str | None = None, *, arguments: Callable[[Any], dict[str, Any]] | None = None
) -> Callable[[_Class], _Class]:
    """Decorates a class that a file may name: a filter, or a class that makes or describes filters.

    The class itself can be written, and a `functools.partial` of it with keyword arguments; instances too, if it is a
    dataclass, or if `arguments` returns the arguments that an instance was built with.

    Args:
        name: name of the class in files; by default its own.
        arguments: function from an instance to the keyword arguments of its class; not needed for a dataclass.

    Raises:
        ValueError: a class of another module has that name already.
    """

    def register(cls: _Class) -> _Class:
        known = name or cls.__name__
        before = _CLASSES.get(known, cls)  # of the same module it is this class, defined again by a reload
        if before.__module__ != cls.__module__:
            raise ValueError(f"name={known!r} stands for {before.__module__}.{before.__qualname__}; use another one")
        _CLASSES[known], _NAMES[cls] = cls, known
        if arguments is not None:
            _ARGUMENTS[cls] = arguments
        return cls

    return register


def write_spec(value: Any) -> Any:
    """A filter factory as data ready for JSON; `{"ImplicitFilter": {"hidden": [8, 4]}}`.

    Raises:
        ValueError: it is, or holds, something that is neither `savable` nor of torch.nn.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [write_spec(entry) for entry in value]
    kind = type(value)
    if kind in _NAMES:
        return {_NAMES[kind]: _write_all(_ARGUMENTS.get(kind, _fields)(value))}
    # Positional arguments have no names to be written under.
    bound = value.keywords if isinstance(value, functools.partial) and not value.args else {}
    called = value.func if bound else value
    if isinstance(called, type):
        name = _NAMES.get(called) or _ACTIVATION + called.__name__
        if called in _NAMES or _activation(name) is called:
            return {name: _write_all(bound)}
    raise ValueError(
        f"filter={value!r} cannot be written into a file: it is neither a filter of nifconv nor a class of torch.nn; "
        "save model.state_dict(), and convert with the same arguments before loading it"
    )


def is_spec(data: Any) -> bool:
    """Whether data look like what `write_spec` returns for a filter: a mapping with the name of a class for a key."""
    return isinstance(data, Mapping) and len(data) == 1 and set(data) <= _CLASSES.keys()


def read_spec(spec: Any) -> Any:
    """The object that `write_spec` described.

    Raises:
        ValueError: `spec` is not data that `write_spec` returns.
    """
    if spec is None or isinstance(spec, bool | int | float | str):
        return spec
    if isinstance(spec, list):
        return tuple(read_spec(entry) for entry in spec)
    if isinstance(spec, dict) and len(spec) == 1:
        ((name, written),) = spec.items()
        called = _CLASSES.get(name) or _activation(name)
        if isinstance(written, dict) and called is not None:
            arguments = {key: read_spec(value) for key, value in written.items()}
            if issubclass(called, nn.Module):  # written as a factory: modules are made for each layer
                return functools.partial(called, **arguments) if arguments else called
            return called(**arguments)
    raise ValueError(f"{spec!r} does not describe a filter; it was written by another version of nifconv, or altered")


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _write_all(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: write_spec(value) for name, value in arguments.items()}


def _activation(name: str) -> type[nn.Module] | None:
    found = getattr(nn, name.removeprefix(_ACTIVATION), None) if name.startswith(_ACTIVATION) else None
    return found if isinstance(found, type) and issubclass(found, nn.Module) else None
