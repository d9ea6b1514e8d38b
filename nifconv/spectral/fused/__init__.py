"""Depthwise products of spectra in one pass over a map: transforms as matrix products on the chip of a GPU.

torch.fft goes through memory several times: transform, product and inverse, each in passes, with complex numbers in
between. A map of up to 112 pixels fits on the chip: the kernels here read it once and write the result once.

`forward` and `gradients` have the contract of those by torch.fft, and compute by torch.fft wherever the kernels do not
apply (`supports`), or have not been proven to be right on the device (`verdicts`). Triton is needed only where a kernel
runs.
"""

from __future__ import annotations

from nifconv.spectral import _products
from nifconv.spectral.fused import _launch
from nifconv.spectral.fused._launch import absence, supports
from nifconv.spectral.fused._proof import Proven, Verdict
from nifconv.spectral.fused._speedups import Speedups, examine, measure

__all__ = [
    "Proven",
    "Speedups",
    "Verdict",
    "absence",
    "examine",
    "forward",
    "gradients",
    "measure",
    "proven",
    "supports",
]

proven = Proven(_launch, _products)
"""The kernels, each case compared with torch.fft at its first use in this process; `verdicts` holds the results."""
forward, gradients = proven.forward, proven.gradients
