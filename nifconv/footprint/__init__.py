"""Measuring kernels: how large are the filters that a network really learned?

`survey` measures every spatial convolution of a model at the map size it runs at and, if asked, compares it with its
null distribution: what the same layer measures when it is re-initialised and not trained. `effective_receptive_field`
measures what an output sees. `compare` takes surveys, `read_history` files of them; the other functions take taps from
anywhere.

Modules import only from those that come earlier in this order: names and tables as text; `measures`, functions of
`Kernels(taps, periodic)` with one table of them all; the null distribution; the layer (`LayerFootprint`); `figures`;
the receptive field; files and `page`, which take layers; the results (`Survey`, `Comparison`); and `survey`, which
reads layers from a model and re-initialises them.
"""

from nifconv.footprint._comparison import Comparison, compare
from nifconv.footprint._history import History, read_history
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint._null import NullDistribution
from nifconv.footprint._result import Survey
from nifconv.footprint._survey import survey
from nifconv.footprint.measures._ensemble import even_share, position_variance, principal_kernels
from nifconv.footprint.measures._moments import align, anisotropy, centroid, rms_radius, spectral_radius
from nifconv.footprint.measures._ringing import cross_preference, cross_share, sign_alternation
from nifconv.footprint.measures._size import effective_size, energy_ratio, mass_ratio, radial_profile
from nifconv.footprint.measures._table import MEASURES
from nifconv.footprint.receptive import ReceptiveField, effective_receptive_field
from nifconv.spectral import windows

__all__ = [
    "MEASURES",
    "Comparison",
    "History",
    "LayerFootprint",
    "NullDistribution",
    "ReceptiveField",
    "Survey",
    "align",
    "anisotropy",
    "centroid",
    "compare",
    "cross_preference",
    "cross_share",
    "effective_receptive_field",
    "effective_size",
    "energy_ratio",
    "even_share",
    "mass_ratio",
    "position_variance",
    "principal_kernels",
    "radial_profile",
    "read_history",
    "rms_radius",
    "sign_alternation",
    "spectral_radius",
    "survey",
    "windows",
]
