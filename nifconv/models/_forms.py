"""The forms in which a model with frequency layers can be exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from nifconv.baking import as_matmul, bake


@dataclass(frozen=True)
class Form:
    """A way to write a model with the operations of ONNX.

    Attributes:
        prepare: function from model, example input and tolerance to the module that is exported.
        takes_tolerance: whether that function uses the tolerance.
    """

    prepare: Callable[[nn.Module, Tensor, float], nn.Module]
    takes_tolerance: bool = False


def _baked(model: nn.Module, x: Tensor, tolerance: float) -> nn.Module:
    return bake(model, x, tolerance=tolerance).model


def _unchanged(model: nn.Module, x: Tensor, tolerance: float) -> nn.Module:  # noqa: ARG001 - the signature of a form
    return model


def _matmul(model: nn.Module, x: Tensor, tolerance: float) -> nn.Module:  # noqa: ARG001 - likewise
    products = as_matmul(model, x)
    # A kept layer that no map reaches is not in the graph, and does no harm.
    for layer in products.report.kept:
        if layer.map_sizes:
            raise ValueError(
                f"form='matmul' needs every frequency layer as products, but {layer.name!r} is {layer.reason}; use "
                "form='dft', or form='baked', where its kernels are the same on all maps"
            )
    return products.model


FORMS: dict[str, Form] = {
    "baked": Form(_baked, takes_tolerance=True),
    "matmul": Form(_matmul),
    "dft": Form(_unchanged),
}
"""baked: every frequency layer as plain convolutions; matmul: global ones as products with constant matrices, others as
plain convolutions; dft: as it is, with DFT nodes."""
