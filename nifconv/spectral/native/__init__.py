"""The native engine: products of spectra on CPUs, several planes at a time as the lanes of vectors.

`forward` and `gradients` have the contract of those by torch.fft, for the depthwise products that `supports` accepts;
those of `dense` for products that sum over channels. It is an optional shared library beside this file, built at
installation: `engine()` returns what runs here, `absence()` why none does.
"""

from nifconv.spectral.native import _dense as dense
from nifconv.spectral.native._library import Engine, absence, engine
from nifconv.spectral.native._products import LARGEST_NDIM, forward, gradients, supports

__all__ = ["LARGEST_NDIM", "Engine", "absence", "dense", "engine", "forward", "gradients", "supports"]
