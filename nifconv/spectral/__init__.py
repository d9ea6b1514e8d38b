"""How a convolution is computed: as a product of spectra or a direct sum, and the choice between them."""

from nifconv.spectral import fused, native
from nifconv.spectral._convolution import combine, combines_first, convolve, multiply
from nifconv.spectral._crossover import METHODS, Crossover, active_crossover, use_crossover
from nifconv.spectral._geometry import PADDING_MODES, Geometry
from nifconv.spectral._kernel import Kernel
from nifconv.spectral._timing import MAPS, TAPS, Timing, as_table, crossovers, side_by_side
from nifconv.spectral._windows import ring_sums, window_sums, windows

__all__ = [
    "MAPS",
    "METHODS",
    "PADDING_MODES",
    "TAPS",
    "Crossover",
    "Geometry",
    "Kernel",
    "Timing",
    "active_crossover",
    "as_table",
    "combine",
    "combines_first",
    "convolve",
    "crossovers",
    "fused",
    "multiply",
    "native",
    "ring_sums",
    "side_by_side",
    "use_crossover",
    "window_sums",
    "windows",
]
