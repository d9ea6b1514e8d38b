"""The instrument: how large are the filters that a network really learned?

`survey` measures every layer of a model at the size it runs at, beside fresh draws of the same layers if asked;
`effective_receptive_field` measures what an output sees. The functions work on taps of any origin.
"""

from nifconv.footprint._comparison import Comparison, compare
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint._null import Null
from nifconv.footprint._receptive_field import ReceptiveField, effective_receptive_field
from nifconv.footprint._result import Survey
from nifconv.footprint._survey import survey
from nifconv.footprint.measures._ensemble import even_share, position_variance, principal_kernels
from nifconv.footprint.measures._moments import align, anisotropy, centroid, rms_radius, spectral_radius
from nifconv.footprint.measures._size import effective_size, energy_ratio, mass_ratio, radial_profile
from nifconv.footprint.measures._table import MEASURES
from nifconv.spectral import windows

__all__ = [
    "MEASURES",
    "Comparison",
    "LayerFootprint",
    "Null",
    "ReceptiveField",
    "Survey",
    "align",
    "anisotropy",
    "centroid",
    "compare",
    "effective_receptive_field",
    "effective_size",
    "energy_ratio",
    "even_share",
    "mass_ratio",
    "position_variance",
    "principal_kernels",
    "radial_profile",
    "rms_radius",
    "spectral_radius",
    "survey",
    "windows",
]
