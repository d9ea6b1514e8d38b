"""What a user may do with a layer. Each transform returns tensors, once for a layer and once for the oracle."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Tensors = list[Tensor]
Transform = Callable[[Any, Tensor, int], Tensors]


def plain(module: nn.Module, x: Tensor, _: int) -> Tensors:
    """The output."""
    return [module(x)]


def gradients(module: nn.Module, x: Tensor, seed: int) -> Tensors:
    """Output and gradients by input and parameters."""
    x, parameters = x.detach().requires_grad_(), _parameters(module)
    y = module(x)
    found = torch.autograd.grad((y * _like(y, seed)).sum(), [x, *parameters], allow_unused=True)
    return [y.detach(), *_filled(found, [x, *parameters])]


def second(module: nn.Module, x: Tensor, seed: int) -> Tensors:
    """Gradients of a gradient's norm, as gradient penalties need them."""
    x, parameters = x.detach().requires_grad_(), _parameters(module)
    y = module(x)
    (dx,) = torch.autograd.grad((y * _like(y, seed)).sum() + y.square().sum(), [x], create_graph=True)
    found = torch.autograd.grad(dx.square().sum(), [x, *parameters], allow_unused=True)
    return _filled(found, [x, *parameters])


def changed(module: nn.Module, x: Tensor, seed: int) -> Tensors:
    """Outputs before and after a step in place, without gradients: nothing out of date may be cached."""
    module = copy.deepcopy(module).eval()
    with torch.inference_mode() if seed % 2 else torch.no_grad():
        before = [module(x), module(x)]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.5).add_(0.125)
        return [*before, module(x)]


def mapped(module: nn.Module, x: Tensor, _: int) -> Tensors:
    """`torch.vmap` over a stack of inputs."""
    return [torch.vmap(module)(_stack(x))]


def _one_by_one(module: nn.Module, x: Tensor, _: int) -> Tensors:
    return [torch.stack([module(one) for one in _stack(x)])]


def per_example(module: nn.Module, x: Tensor, seed: int) -> Tensors:
    """Gradients of each of several examples, by `torch.func`."""
    return list(torch.vmap(torch.func.grad(_loss(module, seed)), in_dims=(None, 0))(_state(module), _stack(x)).values())


def _per_example_in_turn(module: nn.Module, x: Tensor, seed: int) -> Tensors:
    found = [torch.func.grad(_loss(module, seed))(_state(module), one) for one in _stack(x)]
    return [torch.stack([one[name] for one in found]) for name in found[0]]


def pushed(module: nn.Module, x: Tensor, seed: int) -> Tensors:
    """Output and directional derivative, in forward mode."""
    state = _state(module)
    tangents = {name: _like(value, seed + number) for number, (name, value) in enumerate(state.items())}
    apply = lambda state, x: torch.func.functional_call(module, state, (x,))  # noqa: E731 - the shape of jvp
    return list(torch.func.jvp(apply, (state, x), (tangents, _like(x, seed))))


def compiled(module: nn.Module, x: Tensor, seed: int) -> Tensors:
    """Output and gradients of one graph."""
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own code
        return gradients(torch.compile(module, fullgraph=True, backend="aot_eager"), x, seed)  # type: ignore[arg-type]


TRANSFORMS: dict[str, tuple[Transform, Transform]] = {
    "output": (plain, plain),
    "gradients": (gradients, gradients),
    "second derivatives": (second, second),
    "changed weights": (changed, changed),
    "vmap": (mapped, _one_by_one),
    "per-example gradients": (per_example, _per_example_in_turn),
    "jvp": (pushed, pushed),
    "compiled": (compiled, gradients),
}
"""What is asked of a layer and, beside it, of the oracle."""


def _parameters(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def _loss(module: nn.Module, seed: int) -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    def loss(state: dict[str, Tensor], x: Tensor) -> Tensor:
        y = torch.func.functional_call(module, state, (x,))
        return (y * _like(y, seed)).sum()

    return loss


def _filled(found: Any, operands: Any) -> Tensors:
    """Gradients, with zeros for those that do not exist."""
    return [torch.zeros_like(to) if one is None else one for one, to in zip(found, operands, strict=True)]


def _stack(x: Tensor) -> Tensor:
    return torch.stack([x, -x.flip(-1)])


def _like(tensor: Tensor, seed: int) -> Tensor:
    """Weights that are the same numbers in every precision, a multiple of 1/8 of either sign."""
    count = tensor.numel()
    steps = (torch.arange(count) * 2654435761 + seed) % 17 - 8
    return (steps.to(tensor.dtype) / 8).view(tensor.shape)
