"""The instrument: how large are the filters that a network really learned?

`survey` measures every layer of a model at the size it runs at, beside fresh draws of the same layers if asked;
`effective_receptive_field` measures what an output sees. The functions work on taps of any origin.
"""

from nifconv.footprint.comparison import Comparison, compare
from nifconv.footprint.ensemble import even_share, position_variance, principal_kernels
from nifconv.footprint.layer import LayerFootprint
from nifconv.footprint.measures import MEASURES
from nifconv.footprint.metrics import effective_size, energy_ratio, mass_ratio, radial_profile
from nifconv.footprint.moments import align, anisotropy, centroid, rms_radius, spectral_radius
from nifconv.footprint.receptive_field import ReceptiveField, effective_receptive_field
from nifconv.footprint.result import Survey
from nifconv.footprint.survey import survey
from nifconv.windows import windows

__all__ = [
    "MEASURES",
    "Comparison",
    "LayerFootprint",
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
