"""The network inside an implicit filter."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import torch
from torch import Tensor, nn

from nifconv._support.arguments import positive_int


class Linear(nn.Module):
    """`nn.Linear` as a type of its own, so that code that initialises or edits a model's linear layers skips it."""

    bias: nn.Parameter

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.register_parameter("bias", nn.Parameter(torch.empty(outputs)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}{'' if self.bias is not None else ', bias=False'}"


class Trunk(nn.Sequential):
    """Linear layers and activations, alternating."""

    def forward(self, x: Tensor, trained: Tensor | None = None) -> Tensor:
        """`trained`: inputs whose first-layer weights get a gradient, bool, `(inputs,)`; None for all of them."""
        if trained is None:
            return super().forward(x)
        # All inputs count for the values, whatever the map, but only some of their weights for the gradients.
        weight, bias = self.first.weight, self.first.bias
        x = nn.functional.linear(x, torch.where(trained, weight, weight.detach()), bias)
        for layer in list(self)[1:]:
            x = layer(x)
        return x

    @property
    def first(self) -> Linear:
        """The layer that sees the coordinates."""
        return self[0]  # type: ignore[return-value]


def hidden_widths(hidden: Sequence[int]) -> tuple[int, ...]:
    """The widths of the hidden layers.

    Raises:
        TypeError: they are not integers, or there is no sequence of them.
        ValueError: there is none, or one is below 1.
    """
    if isinstance(hidden, str) or not isinstance(hidden, Iterable):
        raise TypeError(
            f"hidden={hidden!r} must hold one width for each hidden layer, such as (16, 16), or be Budget(parameters)"
        )
    widths = tuple(positive_int("hidden", width) for width in hidden)
    if not widths:
        raise ValueError(f"hidden={hidden!r} has no layer; give at least one width, such as (16, 16)")
    return widths


def make_trunk(inputs: int, widths: Sequence[int], activation: Callable[[], nn.Module]) -> Trunk:
    """Linear layers of these widths, an activation after each.

    Raises:
        TypeError: `activation` does not make a module.
    """
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((inputs, *widths)):
        layers += [Linear(before, after), make_activation(activation)]
    return Trunk(*layers)


def make_activation(activation: Callable[[], nn.Module]) -> nn.Module:
    """One activation module.

    Raises:
        TypeError: `activation` does not make one.
    """
    made: object = None
    if not isinstance(activation, nn.Module):
        with suppress(TypeError):  # a function of tensors, or something that cannot be called
            made = activation()
    if not isinstance(made, nn.Module):
        raise TypeError(f"activation={activation!r} must make a module when called, such as nn.SiLU, not nn.SiLU()")
    return made


def evaluate(module: nn.Module, x: Tensor, *arguments: Tensor | None) -> Tensor:
    """Runs a module in the dtype of its input: bf16 weights on float32 frequencies stay float32."""
    values = itertools.chain(module.named_parameters(), module.named_buffers())
    cast = {name: v.to(x.dtype) for name, v in values if v.is_floating_point() and v.dtype != x.dtype}
    return torch.func.functional_call(module, cast, (x, *arguments)) if cast else module(x, *arguments)
