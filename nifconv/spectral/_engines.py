"""Which engine computes a product of spectra: torch.fft, the native one on CPUs, or the fused kernels on GPUs.

All have the same two functions, `forward` and `gradients`, with the contract of `_products`, and give the same values.
"""

from __future__ import annotations

import functools
import warnings
from types import ModuleType

from torch import Tensor

from nifconv.spectral import _products, fused, native
from nifconv.spectral._crossover import active_crossover
from nifconv.spectral._transforms import Placement


def engine_for(method: str, x: Tensor, spectrum: Tensor, source: Placement, direction: str) -> ModuleType:
    """The module whose `forward` and `gradients` compute a product.

    Args:
        method: "fft"; "native" or "fused", where that engine can; or "auto": on a CPU the native engine where it can,
            on a GPU the fused kernels where a table measured on that GPU prefers them.
        x, spectrum: operands of the product.
        source: where the pixels of x lie on the grid.
        direction: "forward" or "gradients", which of the two will be called.
    """
    if method == "fused":
        if fused.absence():
            _say_once(f"method='fused' is computed by torch.fft: {fused.absence()}")
        return fused  # which compares itself with torch.fft first, and gives way to it
    if method == "auto" and _prefers_fused(x, source, direction):
        return fused
    if method in ("auto", "native"):
        if native.supports(x, spectrum, source):
            return native
        if native.dense.supports(x, spectrum, source) and (method == "native" or native.dense.pays(x, spectrum)):
            return native.dense
    if method == "native" and native.absence():
        _say_once(f"method='native' is computed by torch.fft: {native.absence()}")
    return _products


def _prefers_fused(x: Tensor, source: Placement, direction: str) -> bool:
    table = active_crossover(x.device)
    return table is not None and table.prefers_fused(direction, x.dtype, source.size)


@functools.cache
def _say_once(sentence: str) -> None:
    warnings.warn(sentence, RuntimeWarning, stacklevel=2)
