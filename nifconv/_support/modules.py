"""Replacing modules inside a model."""

from __future__ import annotations

import copy
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

# Without the hooks of state_dict and load_state_dict, which refer to the old module's parameters.
_RUN_TIME_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_is_full_backward_hook",  # a flag, not hooks: without it torch ignores the backward hooks
)
_WRAPPERS = (AveragedModel, nn.DataParallel, nn.parallel.DistributedDataParallel)


def copy_model(model: nn.Module) -> nn.Module:
    """A deep copy; weights that a hook computes before each call, which torch refuses to copy, are copied as values.

    Raises:
        ValueError: the model cannot be copied.
    """
    memo: dict[int, Any] = {}  # copies by the id of their original, which deepcopy looks up before it copies
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


def inside_wrappers(model: nn.Module) -> Iterator[nn.Module]:
    """The model, then what is inside torch.compile, AveragedModel and data-parallel training, from outside inwards."""
    inner: nn.Module | None = model
    while inner is not None:
        yield inner
        inner = inner._modules.get("_orig_mod") or (inner.module if isinstance(inner, _WRAPPERS) else None)


def uncompiled(model: nn.Module) -> nn.Module:
    """Takes torch.compile off a model and its parts, in place; returns the model, which may itself be unwrapped."""
    compiled = {module: inner for module in model.modules() if (inner := module._modules.get("_orig_mod")) is not None}
    return substitute(model, compiled)


def move_hooks(new: nn.Module, old: nn.Module) -> None:
    """Gives a module the hooks of the one it replaces, unless it contains that one."""
    if any(inside is old for inside in new.modules()):
        return  # the old module still runs, with its hooks; they would run twice
    for hooks in _RUN_TIME_HOOKS:
        # The same dictionaries, not copies: a handle removes its hook from the dictionary it was registered in.
        setattr(new, hooks, getattr(old, hooks))
