"""From frequency layers to matrix products, for runtimes without any FFT."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nifconv._support import forward
from nifconv._support.arguments import torch_module
from nifconv._support.changes import ChangeReport, LayerChange
from nifconv._support.modules import copy_model, substitute
from nifconv._support.text import by_size
from nifconv.baking._assemble import complete
from nifconv.baking._cut import CannotBakeError, MapSize, check_reached, compositions, cut_layer
from nifconv.baking._find import Found, count, find_layers
from nifconv.baking._product import SpectralProduct
from nifconv.layers import SpatialLayer


@dataclass(frozen=True, kw_only=True)
class ProductLayer(LayerChange):
    """What became of one frequency layer.

    Attributes:
        name: its place in the model.
        aliases: its other places, if it has several.
        replaced: whether it became matrix products or a plain convolution.
        reason: why the layer was kept, or None.
        parameters_before: parameters of the layer, frozen ones included.
        parameters_after: constants of what replaced it, the matrices included.
        map_sizes: sizes of the maps that reach it for the example input, in pixels.
        map_size: the only map size that its matrix products take, in pixels; None if it has no matrix products.
    """

    map_sizes: tuple[MapSize, ...]
    map_size: MapSize | None = None

    @property
    def outcome(self) -> str:
        if self.reason is not None:
            return self.reason
        if self.map_size is None:
            return "plain convolution, for maps of any size"
        return f"matrix products, for maps of {by_size(self.map_size)} only"


@dataclass(frozen=True, repr=False)
class Products:
    """A model of matrix products and the report on it.

    A product for one size is stored in the form in which it is deployed, by `nifconv.models.export_onnx` with
    form="matmul" or by `torch.export.save`; to build it again, save the `Conversion`, a smaller file for any size.

    Attributes:
        model: the model.
        report: what became of its frequency layers.
    """

    model: nn.Module
    report: ChangeReport[ProductLayer]

    def __repr__(self) -> str:
        done = f"{len(self.report.replaced)} of {len(self.report.layers)} frequency layers replaced"
        return f"Products({type(self.model).__name__}, {done})"

    def __str__(self) -> str:
        return "\n".join([self.report.count("frequency layers", "replaced", self.report.layers), *self.report.rows()])


def as_matmul(model: nn.Module, example_input: forward.ExampleInput) -> Products:
    """A copy of a model that runs by matrix products and plain convolutions alone, for inference without any FFT.

    A global layer becomes y = inverse DFT (H * DFT(x)) with constant matrices of cosines and sines, axis by axis:
    exact, for maps of one size. The matrices grow with the pixels of an axis, where the plain convolution that `bake`
    makes of such a layer has a tap for each pixel of the map. A layer with a `kernel_size` becomes a plain convolution
    with all its taps, as by `bake`: exact too, on maps of any size, and in every runtime.

    Args:
        model: any module; it is not changed.
        example_input: as for `bake`, of the size at which the model will be deployed.

    Returns:
        `Products(model, report)`. A layer is kept, with the reason in the report, if the example input does not reach
        it in eval mode, or if it has global kernels and maps of several sizes reach it.

    Raises:
        TypeError: `model` is not a module, or `example_input` is none of these.
        ValueError: the model cannot be copied.
        Exception: whatever the model raises on the example input.

    >>> import torch
    >>> from nifconv import FrequencyConv2d
    >>> layer, x = FrequencyConv2d(4, 4, groups=4), torch.randn(1, 4, 12, 13)
    >>> products = as_matmul(layer, x)
    >>> products.report.layers[0].outcome
    'matrix products, for maps of 12 x 13 only'
    >>> torch.allclose(products.model(x), layer(x), atol=1e-5)
    True
    """
    model = copy_model(torch_module("model", model))
    new: dict[nn.Module, nn.Module] = {}
    layers = []
    for found in find_layers(model, example_input):
        try:
            new[found.layer] = _replacement(found)
        except CannotBakeError as obstacle:  # noqa: PERF203 - one for each layer
            layers.append(_reported(found, None, str(obstacle)))
        else:
            layers.append(_reported(found, new[found.layer], None))
    return Products(substitute(model, new), ChangeReport(tuple(layers)))


def _replacement(found: Found) -> nn.Module:
    layer, sizes = found.layer, found.map_sizes
    module = _product(layer, sizes) if layer.kernel_size is None else cut_layer(layer, sizes, tolerance=0.0).module
    return module.train(layer.training)


def _product(layer: SpatialLayer, map_sizes: tuple[MapSize, ...]) -> nn.Module:
    """A global layer as matrix products, with the 1x1 convolution that follows, if there is one."""
    check_reached(map_sizes)
    if len(map_sizes) > 1:
        raise CannotBakeError(
            f"kept: maps of {', '.join(map(str, map_sizes))} reach it, but constant matrices are for maps of one size"
        )
    with forward.evaluating(layer), torch.no_grad():
        # As the layer is written: the kernels of a block combined with its 1x1 weights would be more constants.
        way = compositions(layer, map_sizes[0])[0]
        return complete(layer, [SpectralProduct(layer, way.taps, map_sizes[0])], way)


def _reported(found: Found, module: nn.Module | None, reason: str | None) -> ProductLayer:
    # A product may be inside an `nn.Sequential`, before the 1x1 convolution of a block.
    inside = () if module is None else tuple(module.modules())
    constants = count(found.layer) if module is None else sum(t.numel() for t in module.state_dict().values())
    return ProductLayer(
        name=found.names[0],
        aliases=found.names[1:],
        replaced=module is not None,
        reason=reason,
        parameters_before=count(found.layer),
        parameters_after=constants,
        map_sizes=found.map_sizes,
        map_size=next((product.map_size for product in inside if isinstance(product, SpectralProduct)), None),
    )
