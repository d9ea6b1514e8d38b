"""Effective receptive fields, from the gradient of a layer's central unit with respect to the input."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from nifconv._support import forward
from nifconv._support.arguments import integer, ints_per_axis, positive_int, real_floating, torch_module
from nifconv.footprint.receptive._field import ReceptiveField
from nifconv.footprint.receptive._maps import MOST_EXTRA_TOKENS, MapReader, Output, described

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def effective_receptive_field(
    model: nn.Module,
    example_input: Tensor,
    *,
    layer: str | None = None,
    output: Output | None = None,
    grid: int | Sequence[int] | None = None,
    sizes: Sequence[int | Sequence[int]] | None = None,
    batch_size: int = 8,
    positive: bool = False,
    seed: int = 0,
    progress: Callable[[Sequence[Any]], Iterable[Any]] | None = None,
) -> tuple[ReceptiveField, ...]:
    """Measures how much each input pixel contributes to the central unit of a layer (Luo et al. 2016, sec. 2).

    c[n] = mean over inputs of sum_i |d(sum_o s_o y[o, centre]) / d x[i, n]|, divided by its sum over n, with random
    signs s_o = +1 or -1 for every input. The unit is at index size // 2 of the layer's map y, which can be

    - a map `(n, channels, *map)`, or `(n, *map, channels)` if only that has the aspect ratio of the input, as in Swin;
    - tokens `(n, tokens, channels)` that form a grid of the input's aspect ratio, after up to 5 tokens for the class
      and registers, as in ViT and MLP-Mixer.

    The unit can lie up to half a stride before or after the centre of the input, which then adds to the extent: choose
    sizes at which the map is even for convolutions, and odd for patches, which do not overlap.

    Args:
        model: any module that takes one tensor. Runs in eval mode; its weights, their gradients and its mode stay as
            they are.
        example_input: inputs to average over, `(n, channels, *size)`; noise will do if only the shape of the field
            matters.
        layer: the name of a module that returns a map or tokens; by default the last one to run that returns them
            with more than one pixel. A module that runs several times counts with its last run.
        output: which output to use of a layer that returns a tuple, list or mapping: its index or key; by default the
            first that is a map or tokens. Or a function of what `layer` returns, such as
            `lambda y: y.transpose(1, 2)` for tokens `(n, channels, tokens)`.
        grid: spatial size of the layer's map or tokens, where their shape does not determine it; any number of tokens
            may then come before those of the grid. It holds at every input size, so give one of `sizes` at a time.
        sizes: input sizes to measure at, to which `example_input` is interpolated; by default its own.
        batch_size: number of inputs per pass.
        positive: whether to take only the positive part of the gradient of the positive responses, with the sign +1 for
            all channels, as Ding et al. 2022 (RepLKNet) do.
        seed: seed of the signs; the global random state is not used.
        progress: wraps the loop over batches, such as `rich.progress.track`.

    Returns:
        One field for each size.

    Raises:
        TypeError: `model` is not a module, `example_input` is not a real floating tensor, or a number is not
            an integer.
        ValueError: `example_input` has no batch, channel or spatial axis; `sizes` is empty; `layer` is unknown, did not
            run, returned neither a map nor tokens or does not depend on the input; `output` is a function and `layer`
            is not given; a size, `grid` or `batch_size` is below 1.
        Exception: whatever the model raises.

    >>> conv = nn.Conv2d(3, 8, 5, padding=2)
    >>> (field,) = effective_receptive_field(conv, torch.randn(2, 3, 15, 15))
    >>> field.side(1.0), tuple(field.contribution.shape)
    (5.0, (15, 15))
    """
    torch_module("model", model)
    ndim = _spatial_axes(example_input)
    positive_int("batch_size", batch_size)
    integer("seed", seed)
    shape = None if grid is None else ints_per_axis("grid", grid, ndim)
    if callable(output) and layer is None:
        raise ValueError(f"output={output!r} is a function of what one layer returns; give the name of that layer too")
    if sizes is not None and not len(sizes):
        raise ValueError("sizes=[] gives no size to measure at; leave it out to measure at that of example_input")
    inputs = [example_input] if sizes is None else [_resized(example_input, size) for size in sizes]
    # A reader for each input size, since it finds maps by the aspect ratio of the input.
    readers = [MapReader(tuple(x.shape[2:]), output, shape) for x in inputs]
    name = _last_map(model, inputs[0][:1], readers[0]) if layer is None else _known(model, layer)
    jobs = [(index, batch) for index, x in enumerate(inputs) for batch in x.split(batch_size)]  # one progress bar
    # On the CPU: the same signs on every device. One for each size, whose field must not depend on the others.
    signs = [torch.Generator().manual_seed(seed) for _ in inputs]
    # Compiled code ignores hooks that are added later, and in inference mode there is no gradient.
    with forward.evaluating(model), forward.uncompiled(), torch.inference_mode(mode=False):
        total = [torch.zeros(x.shape[2:], dtype=torch.float64) for x in inputs]
        for index, batch in progress(jobs) if progress else jobs:
            total[index] += _contribution(model, name, batch, readers[index], signs[index], positive=positive)
    return tuple(ReceptiveField(name, t / t.sum(), len(example_input)) for t in total)  # NaN if nothing contributes


def _contribution(
    model: nn.Module, name: str, batch: Tensor, reader: MapReader, generator: torch.Generator, *, positive: bool
) -> Tensor:
    outputs: list[Any] = []

    def record(_module: nn.Module, _given: Any, output: Any) -> Any:
        outputs[:] = [output]  # of the last call, if there are several
        # The next module may write into its input, as ReLU(inplace=True) does; it gets a copy.
        return _pytree.tree_map_only(Tensor, Tensor.clone, output)

    hook = model.get_submodule(name).register_forward_hook(record)
    try:
        with torch.enable_grad():
            x = batch.detach().clone().requires_grad_()
            model(x)
            central = _central_units(name, outputs, reader, len(batch))
            if positive:
                score = central.relu().sum()
            else:
                # Random signs, since a plain sum over channels is constant after a normalisation over channels.
                signs = torch.randint(2, central.shape, generator=generator).mul(2).sub(1)  # 0, 1 -> -1, 1
                score = (central * signs.to(central)).sum()
            # One pass for the whole batch, since in eval mode no input influences the output of another. `grad`, since
            # backward() would add to the gradients of the weights.
            (slope,) = torch.autograd.grad(score, x, allow_unused=True) if score.requires_grad else (None,)
    finally:
        hook.remove()
    if slope is None:
        raise ValueError(f"layer={name!r} does not depend on the input; name a layer after the first convolution")
    slope = slope.relu() if positive else slope.abs()  # before the sum, in which opposite signs would cancel
    return slope.double().sum((0, 1)).cpu()  # (n, channels, *size) -> (*size)


def _central_units(name: str, outputs: list[Any], reader: MapReader, batch: int) -> Tensor:
    """The last output of a layer at the centre of its map, `(n, channels)`."""
    if not outputs:
        raise ValueError(f"layer={name!r} did not run on the example input; name a layer that does")
    found = reader.read(outputs[0], batch)
    if found is None:
        given = "".join(
            f", {key}={value!r}"
            for key, value in (("output", reader.output), ("grid", reader.grid))
            if value is not None
        )
        raise ValueError(
            f"layer={name!r} returned {described(outputs[0])}, but must return a map ({batch}, channels, "
            f"{len(reader.size)} spatial axes) or tokens ({batch}, tokens, channels) that form a grid of the input's "
            f"aspect ratio after at most {MOST_EXTRA_TOKENS} others{given}; name another layer, its output or its grid"
        )
    for n in found.shape[2:]:
        found = found.select(2, n // 2)  # axis 2 each time, since a selected axis disappears
    return found


def _known(model: nn.Module, layer: str) -> str:
    names = [name for name, _ in model.named_modules()]
    if layer not in names:
        raise ValueError(f"layer={layer!r} is not a module of the model; use one of {_some(names)}")
    return layer


def _last_map(model: nn.Module, x: Tensor, reader: MapReader) -> str:
    """The name of the last module to return a map of more than one pixel for one input."""
    last: list[str] = []

    def hook_for(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(_module: nn.Module, _given: Any, returned: Any) -> None:
            found = reader.read(returned, len(x))
            if found is not None and math.prod(found.shape[2:]) > 1:
                last[:] = [name]

        return record

    # A container returns after its children: a model that itself ends in a map is found under its own name, "".
    hooks = [module.register_forward_hook(hook_for(name)) for name, module in model.named_modules()]
    try:
        forward.run(model, x)
    finally:
        for hook in hooks:
            hook.remove()
    if not last:
        raise ValueError(
            f"layer=None finds no module that returns a map or tokens of more than one pixel for an input of shape "
            f"{tuple(x.shape)}; name one, give the grid of its tokens, or larger inputs"
        )
    return last[0]


def _resized(x: Tensor, size: int | Sequence[int]) -> Tensor:
    ndim = x.dim() - 2
    target = ints_per_axis("sizes", size, ndim)
    return nn.functional.interpolate(x, target, mode=_MODES[ndim], align_corners=False)


def _spatial_axes(x: Tensor) -> int:
    real_floating("example_input", x)
    if not 3 <= x.dim() <= 5 or 0 in x.shape:
        raise ValueError(
            f"example_input has the shape {tuple(x.shape)}, but needs (n, channels, 1 to 3 spatial axes), none empty"
        )
    return x.dim() - 2


def _some(names: Sequence[str]) -> str:
    listed = [repr(name) for name in names if name]  # the model itself is called ""
    return ", ".join(listed[:8]) + (f", .. ({len(listed)} in all)" if len(listed) > 8 else "")
