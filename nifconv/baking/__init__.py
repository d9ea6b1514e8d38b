"""From frequency layers back to plain convolutions, or to matrix products, for deployment: find, cut, substitute."""

from nifconv.baking._bake import bake
from nifconv.baking._matmul import ProductLayer, Products, as_matmul
from nifconv.baking._plain import put_layers
from nifconv.baking._report import Baked
from nifconv.baking._restore import restore

__all__ = [
    "Baked",
    "ProductLayer",
    "Products",
    "as_matmul",
    "bake",
    "put_layers",
    "restore",
]
