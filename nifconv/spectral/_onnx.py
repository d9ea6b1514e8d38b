"""The product of spectra in PyTorch's own operations, for exporters that know only those."""

from __future__ import annotations

import torch
from torch import Tensor

from nifconv._support.arguments import at_least_single


def apply(
    x: Tensor,
    spectrum: Tensor,
    groups: int,
    method: str,  # noqa: ARG001 - the signature of `_operator.apply`; an exporter sees PyTorch's own operations
    size: tuple[int, ...],
    source_step: tuple[int, ...],  # noqa: ARG001 - likewise; only gradients have steps other than 1
    target_step: tuple[int, ...],
    target_shape: tuple[int, ...],
) -> Tensor:
    """`_operator.apply` for a source step of 1.

    Raises:
        ValueError: the exporter leaves an axis of the map open.
    """
    # The inverse of a half spectrum has to know whether the last axis is even, and ONNX fixes that with the graph.
    if any(isinstance(n, torch.SymInt) for n in size):
        raise ValueError(
            f"the map has the dynamic size {tuple(size)}, but a graph with DFT nodes is for one size: whether an axis "
            "is even is part of it; leave these axes out of dynamic_shapes, or bake the model"
        )
    dims = tuple(range(-len(size), 0))
    wide = at_least_single(x.dtype, spectrum.dtype)
    # (batch, groups, 1, in / groups, *half, 2) against (groups, out / groups, in / groups, *half): axis 3 is summed.
    transformed = torch.view_as_real(torch.fft.rfftn(x.to(wide), s=size, dim=dims)).unflatten(1, (groups, 1, -1))
    real, imag = transformed.unbind(-1)
    kernel_real, kernel_imag = spectrum.to(wide).unflatten(0, (groups, -1)).unbind(-1)
    # ONNX has transforms of complex numbers, but no arithmetic on them.
    response = torch.stack(
        [(real * kernel_real - imag * kernel_imag).sum(3), (real * kernel_imag + imag * kernel_real).sum(3)], dim=-1
    )
    y = torch.fft.irfftn(torch.view_as_complex(response.flatten(1, 2)), s=size, dim=dims)
    steps = (slice(0, (n - 1) * s + 1, s) for n, s in zip(target_shape, target_step, strict=True))
    return y[(..., *steps)].to(x.dtype)
