"""From frequency layers back to plain convolutions, for deployment: find, cut, substitute, compare, report."""

from nifconv.baking._bake import bake
from nifconv.baking._report import Baked
from nifconv.baking._restore import restore

__all__ = [
    "Baked",
    "bake",
    "restore",
]
