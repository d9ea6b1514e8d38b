"""Fitting a filter to given taps."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from nifconv import frequency
from nifconv._support.arguments import integer, ints_per_axis, real_floating
from nifconv._support.forward import relative_error
from nifconv._support.threads import one_thread
from nifconv.filters._base import FrequencyFilter


@dataclass(frozen=True, eq=False)  # tensors have no truth value to compare by
class FitResult:
    """How close a filter came to the taps it was fitted to.

    Attributes:
        filter: the filter, changed in place.
        residual: |taps - target| / |target| over all kernels, in the Euclidean norm; 0 where both are zero. By
            Parseval the relative error of the layer's output under white input.
        residuals: the residual of each kernel, `(out_channels, in_channels)`, float64.
    """

    filter: FrequencyFilter
    residual: float
    residuals: Tensor


def fit(
    filter: FrequencyFilter, taps: Tensor, *, size: int | Sequence[int] | None = None, steps: int = 200
) -> FitResult:
    """Sets the weights of a filter, in place, so that its kernels come as close as possible to given ones.

    Minimises sum |filter.taps(size) - taps|^2, with zeros around the taps. A `SpatialFilter` or a `TableFilter` that
    is large enough takes them exactly. An `ImplicitFilter` is linear in its last layer, which is solved in closed
    form at every step, while L-BFGS moves the trunk (variable projection); all kernels share the trunk, so their
    number hardly matters.

    Args:
        filter: a trainable filter, not shared with other layers. Device and dtype stay; the fit runs in float64.
        taps: real, `(out_channels, in_channels, *k)`, laid out as a conv weight with the centre at k // 2.
        size: the map on which kernels are compared, at least as large as the taps; by default exactly as large. Give
            the size of the maps that the layer will run on, so that the kernels are fitted to zeros beyond the taps.
        steps: largest number of L-BFGS iterations.

    Returns:
        `FitResult`, measured on the fitted filter in its own dtype.

    Raises:
        TypeError: `filter` is not a filter, `taps` are not real and floating, or an argument is not an integer.
        ValueError: the filter is frozen, shared or parametrized; shapes differ; `size` is smaller than the taps;
            `steps` is negative; the taps are not finite.

    >>> from nifconv import ImplicitFilter
    >>> target = torch.nn.Conv2d(16, 16, 3, groups=16).weight
    >>> fit(ImplicitFilter(16, 1), target, size=14).residual < 0.05
    True
    """
    target = _check(filter, taps)
    size = tuple(taps.shape[2:]) if size is None else ints_per_axis("size", size, filter.ndim)
    if any(n < k for n, k in zip(size, taps.shape[2:], strict=True)):
        raise ValueError(f"size={size} is smaller than the taps of {tuple(taps.shape[2:])}; give one that holds them")
    if integer("steps", steps) < 0:
        raise ValueError(f"steps={steps} must be at least 0; 0 solves the last layer alone")
    target = frequency.resize_taps(target, size)
    # A copy, so that an error leaves the filter as it was; weights with requires_grad=False are fitted too.
    work = copy.deepcopy(filter).double().requires_grad_()
    # Many steps on small matrices: on busy cores, threads wait for one another most of the time.
    with torch.no_grad(), one_thread():
        work._fit_(target, steps)
        for own, fitted in zip(filter.parameters(), work.parameters(), strict=True):
            own.copy_(fitted)
        error = (filter.taps(size).double() - target).flatten(2)  # (out, in, taps)
    # Where a kernel of zeros is met exactly, 0 / 0 stands for 0; where it is not, the quotient is inf.
    norms, sizes = error.norm(dim=2), target.flatten(2).norm(dim=2)
    return FitResult(filter, relative_error(error, target), torch.where(norms == 0, 0.0, norms / sizes))


def _check(filter: object, taps: Tensor) -> Tensor:
    """The taps in float64 on the filter's device."""
    if not isinstance(filter, FrequencyFilter):
        raise TypeError(f"filter must be a FrequencyFilter, not {type(filter).__name__}; give a layer's .filter")
    shape = tuple(real_floating("taps", taps).shape)
    if shape[:2] != (filter.out_channels, filter.in_channels) or len(shape) != filter.ndim + 2:
        raise ValueError(
            f"taps have the shape {shape}, but the filter needs ({filter.out_channels}, {filter.in_channels}) and "
            f"{filter.ndim} spatial axes"
        )
    if not taps.isfinite().all():
        raise ValueError("taps contain NaN or inf; remove them before fitting")
    for inside in filter.modules():
        if isinstance(inside, FrequencyFilter) and not inside.learns_alone:
            state = "shared with other layers" if inside.shared else "frozen"
            raise ValueError(
                f"{type(inside).__name__}({inside.extra_repr()}) is {state} and cannot be fitted; use a trainable "
                "filter that belongs to this layer alone"
            )
        if parametrize.is_parametrized(inside):
            raise ValueError(
                f"the weights of {type(inside).__name__} are parametrized and cannot be set; remove the "
                "parametrization, fit, and register it again"
            )
    first = next(filter.parameters(), taps)
    return taps.detach().to(first.device, torch.float64)
