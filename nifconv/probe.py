"""Running a model once, to see what reaches its layers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

ExampleInput = Tensor | Sequence[Any] | Mapping[str, Any]
"""A model's argument, a tuple or list of its positional arguments, or a mapping of its keyword arguments."""


def run(model: nn.Module, example_input: ExampleInput) -> Any:
    """What the model returns in eval mode, without gradients; the train/eval state of every module is restored.

    Raises:
        TypeError: `model` is not a module, or `example_input` is no `ExampleInput`.
        Exception: whatever the model raises.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    args, kwargs = _arguments(example_input)
    with evaluating(model), torch.no_grad():
        return model(*args, **kwargs)


def map_sizes(
    model: nn.Module, example_input: ExampleInput, layers: Collection[nn.Module]
) -> list[tuple[nn.Module, tuple[int, ...]]]:
    """Each layer with each spatial size of the maps that reach it, in the order in which they first ran.

    Args:
        model, example_input: as in `run`.
        layers: convolutions inside the model, with a `stride` per spatial axis.

    Raises:
        TypeError, Exception: as `run`.
    """
    seen: dict[tuple[nn.Module, tuple[int, ...]], None] = {}

    def record(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        x = given[0] if given else next(iter(named.values()))
        ndim = len(module.stride)  # type: ignore[arg-type]
        seen[module, tuple(x.shape[-ndim:])] = None

    hooks = [layer.register_forward_pre_hook(record, with_kwargs=True) for layer in layers]
    try:
        run(model, example_input)
    finally:
        for hook in hooks:
            hook.remove()
    return list(seen)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while; every module gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _arguments(example_input: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example_input, Tensor):
        return (example_input,), {}
    if isinstance(example_input, tuple | list):
        return tuple(example_input), {}
    if isinstance(example_input, Mapping):
        return (), dict(example_input)
    raise TypeError(
        f"example_input must be a tensor, a tuple or list of positional arguments or a mapping of keyword arguments, "
        f"not {type(example_input).__name__}"
    )
