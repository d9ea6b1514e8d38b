"""From frequency layers back to plain convolutions, for deployment: find, cut, substitute, compare, report."""

from nifconv.baking._bake import bake
from nifconv.baking._report import Baked

__all__ = [
    "Baked",
    "bake",
]
