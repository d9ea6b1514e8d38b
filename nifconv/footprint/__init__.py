"""The instrument: how large are the filters that a network really learned?"""

from nifconv.footprint.layer import LayerFootprint
from nifconv.footprint.metrics import effective_size, energy_ratio, mass_ratio, rms_radius, windows
from nifconv.footprint.survey import Survey, survey

__all__ = [
    "LayerFootprint",
    "Survey",
    "effective_size",
    "energy_ratio",
    "mass_ratio",
    "rms_radius",
    "survey",
    "windows",
]
