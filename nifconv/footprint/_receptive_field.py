"""What an output sees: the effective receptive field of any layer of any convolutional model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nifconv._support import forward
from nifconv._support.arguments import integer, ints_per_axis, positive_int, real_floating, torch_module, unit_share
from nifconv._support.text import by_size
from nifconv.footprint.measures._size import mass_ratio, smallest_window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.2, 0.3, 0.5, 0.99)  # the thresholds of Ding et al. 2022 (RepLKNet), table 10
_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """How much each input pixel contributes to the central unit of a layer.

    Attributes:
        layer: name of the layer.
        contribution: shares that sum to 1, float64, `(*size)`, with the layout of the input.
        inputs: number of inputs that were averaged over.
    """

    layer: str
    contribution: Tensor
    inputs: int

    def side(self, share: float) -> float:
        """Side, in pixels, of the smallest odd square about the input's centre that holds `share` of the contribution.

        NaN if nothing contributes. Source: Ding et al. 2022 (RepLKNet), table 10, which gives it as an area.

        Raises:
            TypeError: `share` is not a number.
            ValueError: it is not above 0 and at most 1.
        """
        # (1, 1, *size): contributions are measured as the taps of a single kernel are.
        return smallest_window(mass_ratio(self.contribution[None, None]), unit_share(share)).item()

    def area(self, share: float) -> float:
        """Share of the input's area that the square of `side(share)` covers, at most 1.

        Raises:
            TypeError: `share` is not a number.
            ValueError: it is not above 0 and at most 1.
        """
        side = self.side(share)
        return math.prod(min(side, n) / n for n in self.contribution.shape)  # the square may be larger than the input

    def __repr__(self) -> str:
        return f"ReceptiveField({self.layer!r}, input {by_size(self.contribution.shape)}, inputs={self.inputs})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON: sides in pixels and areas at the usual thresholds, None if nothing contributes."""
        sides = {f"{share:g}": self.side(share) for share in SHARES}
        areas = {f"{share:g}": self.area(share) for share in SHARES}
        return {
            "layer": self.layer,
            "size": list(self.contribution.shape),
            "inputs": self.inputs,
            "side": {key: None if value != value else value for key, value in sides.items()},
            "area": {key: None if value != value else value for key, value in areas.items()},
        }

    def plot(self) -> Figure:
        """The contributions on a logarithmic scale, with the squares of 50 and 99 %; needs matplotlib.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: the input has three spatial axes.
        """
        from nifconv.footprint.figures import _field
        from nifconv.footprint.figures._style import title

        squares = {share: self.side(share) for share in (0.5, 0.99)}
        name = f"{title(self.layer) or 'output'}, inputs: {self.inputs}"
        return _field.contribution_map(self.contribution, squares, name)


def effective_receptive_field(
    model: nn.Module,
    example_input: Tensor,
    *,
    layer: str | None = None,
    sizes: Sequence[int | Sequence[int]] | None = None,
    batch_size: int = 8,
    positive: bool = False,
    seed: int = 0,
    progress: Callable[[Sequence[Any]], Iterable[Any]] | None = None,
) -> tuple[ReceptiveField, ...]:
    """Measures how much each input pixel contributes to the central unit of a layer (Luo et al. 2016, sec. 2).

    c[n] = mean over inputs of sum_i |d(sum_o s_o y[o, centre]) / d x[i, n]|, divided by its sum over n, with random
    signs s_o = +1 or -1 for every input. The unit is at index size // 2 of the layer's map. On a map of odd size it can
    lie up to half a stride before the centre of the input, which then counts as extent; choose sizes at which the
    layer's map is even.

    Args:
        model: any module that takes one tensor. Runs in eval mode; its weights, their gradients and its mode stay as
            they are.
        example_input: inputs to average over, `(n, channels, *size)`; noise will do if only the shape of the field
            matters.
        layer: the name of a module whose output is `(n, channels, *map)`; by default the last one to run with such an
            output and a map of more than one pixel. A module that runs several times counts with its last run.
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
        ValueError: `example_input` has no batch, channel or spatial axis; `layer` is unknown, did not run, has no map
            of responses or does not depend on the input; a size or `batch_size` is below 1.
        Exception: whatever the model raises.

    >>> conv = nn.Conv2d(3, 8, 5, padding=2)
    >>> (field,) = effective_receptive_field(conv, torch.randn(2, 3, 15, 15))
    >>> field.side(1.0), tuple(field.contribution.shape)
    (5.0, (15, 15))
    """
    torch_module("model", model)
    ndim = _spatial_axes(example_input)
    positive_int("batch_size", batch_size)
    generator = torch.Generator().manual_seed(integer("seed", seed))  # on the CPU: the same signs on every device
    inputs = [example_input] if sizes is None else [_resized(example_input, size) for size in sizes]
    name, module = _find_layer(model, inputs[0][:1], layer)
    jobs = [(index, batch) for index, x in enumerate(inputs) for batch in x.split(batch_size)]  # one progress bar
    total = [torch.zeros(x.shape[2:], dtype=torch.float64) for x in inputs]
    with forward.evaluating(model):
        for index, batch in progress(jobs) if progress else jobs:
            total[index] += _contribution(model, name, module, batch, ndim, generator, positive=positive)
    return tuple(ReceptiveField(name, t / t.sum(), len(example_input)) for t in total)  # NaN if nothing contributes


def _contribution(
    model: nn.Module,
    name: str,
    module: nn.Module,
    batch: Tensor,
    ndim: int,
    generator: torch.Generator,
    *,
    positive: bool,
) -> Tensor:
    outputs: list[Any] = []

    def record(_module: nn.Module, _given: Any, output: Any) -> Any:
        outputs[:] = [output]  # of the last call, if there are several
        # The next module may write into its input, as ReLU(inplace=True) does; it gets a copy.
        return output.clone() if isinstance(output, Tensor) else output

    hook = module.register_forward_hook(record)
    try:
        with torch.enable_grad():
            x = batch.detach().clone().requires_grad_()
            model(x)
            central = _central_units(name, outputs, ndim)
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


def _central_units(name: str, outputs: list[Any], ndim: int) -> Tensor:
    """The last output of a layer at the centre of its map, `(n, channels)`."""
    if not outputs:
        raise ValueError(f"layer={name!r} did not run on the example input; name a layer that does")
    output = outputs[0]
    if not isinstance(output, Tensor) or output.dim() != ndim + 2:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"layer={name!r} returned {found}, but must return a map (n, channels, {ndim} spatial axes); name a "
            "convolution or a block of them"
        )
    for n in output.shape[2:]:
        output = output.select(2, n // 2)  # axis 2 each time, since a selected axis disappears
    return output


def _find_layer(model: nn.Module, x: Tensor, layer: str | None) -> tuple[str, nn.Module]:
    modules = dict(model.named_modules())
    if layer is not None:
        if layer not in modules:
            raise ValueError(f"layer={layer!r} is not a module of the model; use one of {_some(list(modules))}")
        return layer, modules[layer]
    last: list[str] = []

    def hook_for(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(_module: nn.Module, _given: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == x.dim() and math.prod(output.shape[2:]) > 1:
                last[:] = [name]

        return record

    # A container returns after its children: a model that itself ends in a map is found under its own name, "".
    hooks = [module.register_forward_hook(hook_for(name)) for name, module in modules.items()]
    try:
        forward.run(model, x)
    finally:
        for hook in hooks:
            hook.remove()
    if not last:
        raise ValueError(
            f"layer=None finds no module that returns a map of more than one pixel for an input of shape "
            f"{tuple(x.shape)}; name one, or give larger inputs"
        )
    return last[0], modules[last[0]]


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
