"""Exchanging modules inside a model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
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


def substitute(model: nn.Module, new: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Puts modules in the place of others, in place, wherever they occur; the model itself may be one of them."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):  # named_children() would leave out repetitions
            if child is not None and child in new:
                setattr(parent, name, new[child])
    return new.get(model, model)


def move_hooks(new: nn.Module, old: nn.Module) -> None:
    """Gives a module the hooks of the one it replaces.

    They move with the dictionaries they are kept in, so that their handles still remove them.
    """
    for hooks in _RUN_TIME_HOOKS:
        setattr(new, hooks, getattr(old, hooks))
