"""Running a model once, to see the sizes and outputs of its layers."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree
from torch.utils.flop_counter import FlopCounterMode

from nifconv._support.arguments import torch_module

ExampleInput = Tensor | Sequence[Any] | Mapping[str, Any]
"""A model's argument, a tuple or list of its positional arguments, or a mapping of its keyword arguments."""

Progress = Callable[[Sequence[Any]], Iterable[Any]]
"""Wraps a loop to show its progress, such as `tqdm.tqdm` or `rich.progress.track`; `iter` shows nothing."""


def run(model: nn.Module, example_input: ExampleInput) -> Any:
    """Returns the output of the model in eval mode, without gradients; each module keeps its train/eval state.

    Raises:
        TypeError: `model` is not a module, or `example_input` is not an `ExampleInput`.
        Exception: whatever the model raises.
    """
    torch_module("model", model)
    args, kwargs = _arguments(example_input)
    with evaluating(model), torch.no_grad(), uncompiled():
        return model(*args, **kwargs)


def counted(model: nn.Module, example_input: ExampleInput) -> tuple[Any, int]:
    """What `run` returns, and the floating-point operations it took; a multiplication and an addition are two.

    It counts matrix products, convolutions, attention and products of spectra, as `torch.utils.flop_counter` does.
    """
    with FlopCounterMode(display=False) as counter:
        output = run(model, example_input)
    return output, counter.get_total_flops()


def map_sizes(
    model: nn.Module, example_input: ExampleInput, layers: Collection[nn.Module]
) -> list[tuple[nn.Module, tuple[int, ...]]]:
    """Each layer with each spatial size of the maps that reach it, in the order in which these pairs first ran.

    Args:
        model, example_input: as in `run`.
        layers: convolutions inside the model, with a `stride` per spatial axis.

    Raises:
        TypeError, Exception: as `run`.
    """
    # A dict as an ordered set: a shared layer may run at several sizes, and usually runs at one several times.
    seen: dict[tuple[nn.Module, tuple[int, ...]], None] = {}

    def record(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        x = given[0] if given else next(iter(named.values()))  # conv(x) or conv(input=x)
        ndim = len(module.stride)  # type: ignore[arg-type]
        if x.numel():  # an empty batch, as in a detector that found nothing, shows no map
            seen[module, tuple(x.shape[-ndim:])] = None

    hooks = [layer.register_forward_pre_hook(record, with_kwargs=True) for layer in layers]
    try:
        run(model, example_input)
    finally:
        for hook in hooks:
            hook.remove()
    return list(seen)


def relative_change(before: Any, after: Any) -> float:
    """The largest |after - before| / |before| over the floating and complex tensors that two outputs of a model hold.

    Inf if shapes differ, for example because a detector finds a different number of objects.
    """
    pairs = zip(_pytree.tree_leaves(before), _pytree.tree_leaves(after), strict=True)
    tensors = [
        (_wide(a), _wide(b)) for a, b in pairs if isinstance(a, Tensor) and (a.is_floating_point() or a.is_complex())
    ]
    if any(a.shape != b.shape for a, b in tensors):
        return math.inf
    return max((relative_error(b - a, a) for a, b in tensors), default=0.0)


def relative_error(error: Tensor, reference: Tensor) -> float:
    """|error| / |reference| in the Euclidean norm over all entries; 0 if error is 0, inf if only reference is 0."""
    size, norm = error.norm().item(), reference.norm().item()
    if size == 0:  # even if the reference is 0 too
        return 0.0
    return size / norm if norm else math.inf


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A context in which the model is in eval mode; afterwards every module is back in its own mode."""
    # One by one, since model.train() would also switch on the modules that the user had put in eval mode.
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def uncompiled() -> AbstractContextManager[object]:
    """A context in which compiled models run uncompiled."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and the import takes seconds
        return nullcontext()
    return torch.compiler.set_stance("force_eager")  # compiled code ignores hooks that are added later


def _wide(tensor: Tensor) -> Tensor:
    # Squares of half-precision values overflow in a norm.
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


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
