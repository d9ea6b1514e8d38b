"""nifconv: convolutions whose kernels are small functions of frequency."""

from nifconv import footprint, frequency, functional
from nifconv.conv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d
from nifconv.convert import Conversion, convert
from nifconv.filters import FourierFeatures, FrequencyFilter, ImplicitFilter, SpatialFilter

__all__ = [
    "Conversion",
    "FourierFeatures",
    "FrequencyConv1d",
    "FrequencyConv2d",
    "FrequencyConv3d",
    "FrequencyFilter",
    "ImplicitFilter",
    "SpatialFilter",
    "convert",
    "footprint",
    "frequency",
    "functional",
]
