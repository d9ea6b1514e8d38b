"""The steps of `bake`: find, cut, substitute, compare, report."""

from __future__ import annotations

import warnings
from dataclasses import replace

from torch import nn

from nifconv._support import forward, history
from nifconv._support.arguments import fraction, torch_module
from nifconv._support.modules import copy_model, substitute
from nifconv.baking._compare import measure_errors, timed_run
from nifconv.baking._cut import CannotBakeError, Cut, cut_layer
from nifconv.baking._find import Found, count, find_layers
from nifconv.baking._plain import write_layers
from nifconv.baking._report import Baked, BakedLayer, BakeReport

_FAR = 10
"""The output of the model may change by this many times the tolerance without a warning."""


def bake(
    model: nn.Module,
    example_input: forward.ExampleInput,
    *,
    tolerance: float = 0.0,
    progress: forward.Progress | None = None,
) -> Baked:
    """A copy of a model in which every frequency layer is a plain `nn.ConvNd`, for inference without any FFT.

    Kernels are evaluated at the map sizes that the example input produces. Each layer gets the smallest odd kernel
    whose discarded mass is within `tolerance`:

        max_o sum |w[o] - cut w[o]|  <=  tolerance * max_o sum |w[o]|,

    that is, for inputs between -1 and 1 no output pixel changes by more than `tolerance` times the largest output
    that the layer can give. With 0 only taps that are exactly zero are cut, and the output is the same to rounding.
    An `LCConv` becomes a spatial and a 1x1 convolution, or a single one where that takes fewer multiplications.

    A plain convolution does not grow with its map: at other input sizes the baked model runs with the same kernels,
    unless a circular or reflected padding is larger than the map.

    Args:
        model: any module; it is not changed.
        example_input: its argument, a tuple or list of its positional arguments, or a mapping of its keyword
            arguments, of the size at which the model will be deployed.
        tolerance: largest change of an output pixel, relative to the largest output that the layer can give for inputs
            of that size, at least 0 and below 1. The report says how far each layer is from this bound, and beside it
            the change of its output relative to that output.
        progress: wraps the loop over the layers, such as `rich.progress.track`.

    Returns:
        `Baked(model, report)`. A layer is kept, with the reason in the report, if the example input does not reach it
        in eval mode, or if its kernels differ between the maps that reach it.

    Warns:
        UserWarning: the output of the model changed by more than 10 times the tolerance, relative to its norm.

    Raises:
        TypeError: `model` is not a module, `example_input` is none of these, or `tolerance` is not a number.
        ValueError: `tolerance` is out of range, or the model cannot be copied.
        Exception: whatever the model raises on the example input.

    >>> import torch
    >>> from nifconv import convert
    >>> converted = convert(nn.Sequential(nn.Conv2d(8, 16, 3, padding=1))).model
    >>> baked = bake(converted, torch.randn(2, 8, 12, 13))
    >>> [tuple(conv.weight.shape) for conv in baked.model[0]], baked.report.error < 1e-5
    ([(8, 1, 13, 13), (16, 8, 1, 1)], True)
    """
    tolerance = fraction("tolerance", tolerance)
    model = copy_model(torch_module("model", model))
    cuts: dict[nn.Module, Cut] = {}
    layers: dict[nn.Module, BakedLayer] = {}
    for found in (progress or iter)(find_layers(model, example_input)):
        layer = found.layer
        try:
            cut = cut_layer(layer, found.map_sizes, tolerance)
        except CannotBakeError as obstacle:
            layers[layer] = _kept(found, str(obstacle))
        else:
            # The mode of each layer, not of the model: parts of it may be kept in eval mode.
            cut.module.train(layer.training)
            cuts[layer] = cut
            layers[layer] = _baked(found, cut)
    # Before the substitution, while each layer still receives the input that its replacement is to be tried on.
    for changed, (error, change) in measure_errors(model, example_input, cuts).items():
        layers[changed] = replace(layers[changed], error=error, change=change)
    # Both runs are of the same copy, so that nothing but the layers differs between them.
    before, seconds_before = timed_run(model, example_input)
    copied = model
    model = substitute(model, {layer: cut.module for layer, cut in cuts.items()})
    baked = write_layers(model, [layer.name for layer in layers.values() if layer.replaced])
    # Even if it is empty: `Baked.save` takes the last step to be this bake.
    history.add(model, history.of(copied), {"baked": baked})
    after, seconds_after = timed_run(model, example_input)
    total = forward.relative_change(before, after)
    if 0 < _FAR * tolerance < total:
        warnings.warn(
            f"tolerance={tolerance} changed the output of the model by {total:.2g} of its norm: it bounds a pixel "
            "relative to the largest output that a layer can give, and the outputs here are far smaller; use a "
            "smaller tolerance",
            stacklevel=2,
        )
    return Baked(model, BakeReport(tuple(layers.values()), tolerance, total, seconds_before, seconds_after))


def _kept(found: Found, reason: str) -> BakedLayer:
    parameters = count(found.layer)
    return BakedLayer(
        name=found.names[0],
        aliases=found.names[1:],
        replaced=False,
        reason=reason,
        parameters_before=parameters,
        parameters_after=parameters,
        map_sizes=found.map_sizes,
    )


def _baked(found: Found, cut: Cut) -> BakedLayer:
    return BakedLayer(
        name=found.names[0],
        aliases=found.names[1:],
        replaced=True,
        reason=None,
        parameters_before=count(found.layer),
        parameters_after=count(cut.module),
        map_sizes=found.map_sizes,
        kernel_before=cut.kernel_before,
        kernel_after=cut.kernel_after,
        bound=cut.bound,
        smallest_map=cut.smallest_map,
    )
