"""Exchanging modules inside a model."""

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
    """Where the given modules occur inside a model, each as often as it does."""
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()  # named_children() would leave out repetitions
        if child is not None and child in children
    ]


def put(where: Sequence[Place]) -> None:
    """Makes each child the one of its parent's that has the name."""
    for parent, name, child in where:
        setattr(parent, name, child)
        if name == "_orig_mod":  # torch.compile has bound the call of the module it wraps, and is to bind the new one
            parent.__setstate__(parent.__getstate__())


def substitute(model: nn.Module, new: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Puts modules in the place of others, in place, wherever they occur; the model itself may be one of them."""
    put([(parent, name, new[child]) for parent, name, child in places(model, new)])
    return new.get(model, model)


def move_hooks(new: nn.Module, old: nn.Module) -> None:
    """Gives a module the hooks of the one it replaces.

    They move with the dictionaries they are kept in, so that their handles still remove them. Where the old module
    goes on inside the new one they stay with it, or they would run twice.
    """
    if any(inside is old for inside in new.modules()):
        return
    for hooks in _RUN_TIME_HOOKS:
        setattr(new, hooks, getattr(old, hooks))
