"""How a convolution is computed: as a product of spectra or a direct sum, and the choice between them.

`method="auto"` is decided in two steps. `_crossover.chosen` decides between a direct sum and a product of spectra, by
a table of measurements; `_engines.engine_for` then decides what computes the product: torch.fft, the native engine on
CPUs, or the fused kernels on GPUs. A layer whose kernels are as large as a circular map skips the first step, since
there a direct sum never pays.
"""

from nifconv.spectral import fused, native
from nifconv.spectral._clocks import Clock, clock_for, current_gpu, device_name, timed
from nifconv.spectral._convolution import combine, combines_first, convolve, multiply
from nifconv.spectral._crossover import METHODS, Crossover, active_crossover, crossover_in_use, use_crossover
from nifconv.spectral._geometry import PADDING_MODES, Geometry
from nifconv.spectral._gpu_crossover import gpu_crossover
from nifconv.spectral._kernel import Kernel
from nifconv.spectral._timing import MAPS, TAPS, Timing, as_table, crossovers, side_by_side
from nifconv.spectral._windows import ring_sums, window_sums, windows

__all__ = [
    "MAPS",
    "METHODS",
    "PADDING_MODES",
    "TAPS",
    "Clock",
    "Crossover",
    "Geometry",
    "Kernel",
    "Timing",
    "active_crossover",
    "as_table",
    "clock_for",
    "combine",
    "combines_first",
    "convolve",
    "crossover_in_use",
    "crossovers",
    "current_gpu",
    "device_name",
    "fused",
    "gpu_crossover",
    "multiply",
    "native",
    "ring_sums",
    "side_by_side",
    "timed",
    "use_crossover",
    "window_sums",
    "windows",
]
