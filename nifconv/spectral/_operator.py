"""`nifconv::spectral_conv`: the product of spectra as an operator registered with PyTorch.

Its inputs and outputs are real tensors, a spectrum being pairs (real, imaginary), so compilers, exporters, mixed
precision and collective communication meet no complex number. For the backward pass it saves x and the spectrum and
nothing else: transforms are recomputed.

With T(x, H, dy) = <dy, apply(x, H)>, linear in each argument, all derivatives of any order are the same two operators:

    apply(x, H), and gradients(x, H, dy) = (dT/dx, dT/dH)     where dT/dx = apply(dy, H*), H* with channels exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from nifconv._support.precision import full_precision
from nifconv.spectral import _flops, _products
from nifconv.spectral._engines import engine_for
from nifconv.spectral._transforms import Placement


@torch.library.custom_op("nifconv::spectral_conv", mutates_args=())
def _forward(
    x: Tensor,
    spectrum: Tensor,
    groups: int,
    method: str,
    size: Sequence[int],
    source_step: Sequence[int],
    target_step: Sequence[int],
    target_shape: Sequence[int],
) -> Tensor:
    """See `_products.forward`; x lies on the grid with `source_step`, y with `target_step`.

    `method` is one of those of `engine_for`.
    """
    source = Placement(tuple(size), tuple(x.shape[2:]), tuple(source_step))
    target = Placement(tuple(size), tuple(target_shape), tuple(target_step))
    # Autocast reaches into custom operators, and would run their matrix products in half precision.
    with full_precision(x.device):
        return engine_for(method, x, spectrum, source, "forward").forward(x, spectrum, groups, source, target)


@torch.library.custom_op("nifconv::spectral_conv_gradients", mutates_args=())
def _backward(
    x: Tensor,
    spectrum: Tensor,
    grad: Tensor,
    groups: int,
    method: str,
    size: Sequence[int],
    source_step: Sequence[int],
    target_step: Sequence[int],
    wants_x: bool,
    wants_spectrum: bool,
) -> tuple[Tensor, Tensor]:
    """See `_products.gradients`."""
    source = Placement(tuple(size), tuple(x.shape[2:]), tuple(source_step))
    target = Placement(tuple(size), tuple(grad.shape[2:]), tuple(target_step))
    with full_precision(x.device):
        compute = engine_for(method, x, spectrum, source, "gradients").gradients
        dx, dh = compute(x, spectrum, grad, groups, source, target, wants_x, wants_spectrum)
    return dx, _laid_out_as(spectrum, dh) if wants_spectrum else dh


# Shapes without values, for compilers and exporters: the memory format has to be that of the real output.
@_forward.register_fake
def _(x: Tensor, spectrum: Tensor, *arguments: Any) -> Tensor:
    return _products.empty_output(x, spectrum.shape[0], arguments[-1])


@_backward.register_fake
def _(x: Tensor, spectrum: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    wants_x, wants_spectrum = arguments[-2:]
    # An operator cannot return None, so a gradient that is not wanted is an empty tensor.
    dx = _products.empty_output(x, x.shape[1], x.shape[2:]) if wants_x else x.new_empty(0)
    return dx, torch.empty_like(spectrum) if wants_spectrum else spectrum.new_empty(0)


def _laid_out_as(spectrum: Tensor, dh: Tensor) -> Tensor:
    """The gradient with the strides of the spectrum, which may lie by channels or by bins; a copy where they differ."""
    like = torch.empty_like(spectrum)
    return dh if dh.stride() == like.stride() else like.copy_(dh)


def apply(x: Tensor, spectrum: Tensor, *geometry: Any) -> Tensor:
    """The operator for every caller: torch.func and forward mode can differentiate only an autograd.Function."""
    return _Convolution.apply(x, spectrum, *geometry) if _needs_function() else _forward(x, spectrum, *geometry)


def _gradients(*arguments: Any) -> tuple[Tensor, Tensor]:
    return _Gradients.apply(*arguments) if _needs_function() else _backward(*arguments)


def _needs_function() -> bool:
    if torch.compiler.is_compiling():
        return False  # a graph holds the operator, whose derivatives are registered below
    return torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0


def _keep_operands(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001 - torch's signature
    x, spectrum, *ctx.rest = inputs
    ctx.save_for_backward(x, spectrum)
    ctx.save_for_forward(x, spectrum)  # for tangents, which are computed without a backward pass


def _differentiate(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
    x, spectrum = ctx.saved_tensors
    wants_x, wants_spectrum = ctx.needs_input_grad[:2]
    dx, dh = _gradients(x, spectrum, dy, *ctx.rest[:-1], wants_x, wants_spectrum)
    # One entry for each argument: the six others are not tensors.
    return dx if wants_x else None, dh if wants_spectrum else None, None, None, None, None, None, None


def _push_forward(ctx: Any, tangent_x: Tensor | None, tangent_spectrum: Tensor | None, *_: None) -> Tensor | None:
    x, spectrum = ctx.saved_tensors
    # Linear in each operand: the tangent is the operator itself, once for each operand that has one.
    by_x = None if tangent_x is None else apply(tangent_x, spectrum, *ctx.rest)
    by_spectrum = None if tangent_spectrum is None else apply(x, tangent_spectrum, *ctx.rest)
    if by_x is None or by_spectrum is None:
        return by_spectrum if by_x is None else by_x
    return by_x + by_spectrum


def _keep_all(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ARG001
    x, spectrum, dy, *ctx.rest = inputs
    ctx.save_for_backward(x, spectrum, dy)
    ctx.save_for_forward(x, spectrum, dy)


def _differentiate_twice(ctx: Any, gx: Tensor, gh: Tensor) -> tuple[Any, ...]:
    """From <gx, dT/dx> + <gh, dT/dH> = T(gx, H, dy) + T(x, gh, dy)."""
    x, spectrum, dy = ctx.saved_tensors
    *geometry, has_x, has_spectrum = ctx.rest
    wants_x, wants_spectrum, wants_dy = ctx.needs_input_grad[:3]
    by_x = by_spectrum = by_dy = None
    # If dT/dx was not wanted, its gradient gx is meaningless and its term is left out; likewise for gh.
    if has_x:
        if wants_spectrum:
            _, by_spectrum = _gradients(gx, spectrum, dy, *geometry, False, True)
        if wants_dy:
            by_dy = apply(gx, spectrum, *geometry, dy.shape[2:])
    if has_spectrum:
        if wants_x:
            by_x, _ = _gradients(x, gh, dy, *geometry, True, False)
        if wants_dy:
            other = apply(x, gh, *geometry, dy.shape[2:])
            by_dy = other if by_dy is None else by_dy + other
    return by_x, by_spectrum, by_dy, None, None, None, None, None, None, None


def _push_gradients(
    ctx: Any, tangent_x: Tensor | None, tangent_spectrum: Tensor | None, tangent_dy: Tensor | None, *_: None
) -> tuple[Tensor, Tensor]:
    x, spectrum, dy = ctx.saved_tensors
    *geometry, has_x, has_spectrum = ctx.rest
    # Bilinear again: dx depends on (H, dy), dh on (x, dy), and each tangent stands in for its operand in turn.
    dx, dh = _gradients(x, spectrum, torch.zeros_like(dy) if tangent_dy is None else tangent_dy, *ctx.rest)
    if has_x and tangent_spectrum is not None:
        dx = dx + _gradients(x, tangent_spectrum, dy, *geometry, True, False)[0]
    if has_spectrum and tangent_x is not None:
        dh = dh + _gradients(tangent_x, spectrum, dy, *geometry, False, True)[1]
    return dx, dh


def _vectorise(info: Any, in_dims: tuple[Any, ...], x: Tensor, spectrum: Tensor, *rest: Any) -> tuple[Any, int]:
    """Examples that share the spectrum are a larger batch; otherwise each example is a range of channels."""
    count = info.batch_size
    if in_dims[1] is None:
        x = x.movedim(in_dims[0], 0).flatten(0, 1)  # (examples * batch, in, *map)
        return apply(x, spectrum, *rest).unflatten(0, (count, -1)), 0
    groups, *geometry = rest
    x = _as_channels(x, in_dims[0], count)  # (batch, examples * in, *map)
    spectrum = _as_kernels(spectrum, in_dims[1])  # (examples * out, in / groups, *half, 2)
    y = apply(x, spectrum, count * groups, *geometry)  # (batch, examples * out, *map)
    return y.unflatten(1, (count, -1)), 1


def _vectorise_gradients(
    info: Any, in_dims: tuple[Any, ...], x: Tensor, spectrum: Tensor, dy: Tensor, groups: int, *rest: Any
) -> tuple[Any, Any]:
    """Each example has its own gradient with respect to the spectrum, so each is a range of channels."""
    count = info.batch_size
    spectrum = spectrum.expand(count, *spectrum.shape) if in_dims[1] is None else spectrum.movedim(in_dims[1], 0)
    x, dy = _as_channels(x, in_dims[0], count), _as_channels(dy, in_dims[2], count)
    dx, dh = _gradients(x, _as_kernels(spectrum, 0), dy, count * groups, *rest)
    wants_x, wants_spectrum = rest[-2:]
    dx = dx.unflatten(1, (count, -1)) if wants_x else dx  # (batch, examples, in, *map)
    dh = dh.unflatten(0, (count, -1)) if wants_spectrum else dh  # (examples, out, in / groups, *half, 2)
    return (dx, dh), (1 if wants_x else None, 0 if wants_spectrum else None)


def _as_channels(x: Tensor, dim: int | None, count: int) -> Tensor:
    x = x.movedim(dim, 0) if dim is not None else x.expand(count, *x.shape)
    return x.transpose(0, 1).flatten(1, 2)  # (examples, batch, channels, ...) -> (batch, examples * channels, ...)


def _as_kernels(spectrum: Tensor, dim: int) -> Tensor:
    return spectrum.movedim(dim, 0).flatten(0, 1)  # (examples, out, ...) -> (examples * out, ...)


class _Convolution(torch.autograd.Function):
    forward = staticmethod(_forward)
    setup_context = staticmethod(_keep_operands)
    backward = staticmethod(_differentiate)
    jvp = staticmethod(_push_forward)
    vmap = staticmethod(_vectorise)


class _Gradients(torch.autograd.Function):
    forward = staticmethod(_backward)
    setup_context = staticmethod(_keep_all)
    backward = staticmethod(_differentiate_twice)
    jvp = staticmethod(_push_gradients)
    vmap = staticmethod(_vectorise_gradients)


# The same rules as those of the Functions above, for calls of the operators themselves, as in a compiled graph.
_forward.register_autograd(_differentiate, setup_context=_keep_operands)
_backward.register_autograd(_differentiate_twice, setup_context=_keep_all)
_forward.register_vmap(_vectorise)
_backward.register_vmap(_vectorise_gradients)
register_flop_formula(torch.ops.nifconv.spectral_conv)(_flops.forward)
register_flop_formula(torch.ops.nifconv.spectral_conv_gradients)(_flops.gradients)
