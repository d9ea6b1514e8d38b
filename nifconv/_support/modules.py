"""Replacing modules inside a model."""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

_RUN_TIME_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_is_full_backward_hook",
)


def copy_model(model: nn.Module) -> nn.Module:
    """A deep copy; weights that a hook computes before each call, which torch refuses to copy, are copied as values.

    Raises:
        ValueError: the model cannot be copied.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        return copy.deepcopy(model, memo)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"the model cannot be copied: {error}; give one that copy.deepcopy takes, or change it in place"
        ) from error


Place = tuple[nn.Module, str, nn.Module]
"""A parent, a name, and the child of that name."""


def places(model: nn.Module, children: Container[nn.Module]) -> list[Place]:
    """All places of the given modules inside a model."""
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()  # named_children() would leave out repetitions
        if child is not None and child in children
    ]


def set_children(places: Sequence[Place]) -> None:
    """Sets each named child on its parent."""
    for parent, name, child in places:
        setattr(parent, name, child)
        if name == "_orig_mod":  # torch.compile has bound the call of the module it wraps; this binds the new one
            parent.__setstate__(parent.__getstate__())


def substitute(model: nn.Module, new: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Replaces modules by others, in place, wherever they occur; returns the model, which may itself be replaced."""
    set_children([(parent, name, new[child]) for parent, name, child in places(model, new)])
    return new.get(model, model)


def move_hooks(new: nn.Module, old: nn.Module) -> None:
    """Gives a module the hooks of the one it replaces.

    The dictionaries that hold them are shared, so that their handles still remove them. If the old module is part of
    the new one, the hooks stay with it; otherwise they would run twice.
    """
    if any(inside is old for inside in new.modules()):
        return
    for hooks in _RUN_TIME_HOOKS:
        setattr(new, hooks, getattr(old, hooks))
