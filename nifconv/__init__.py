"""nifconv: convolutions whose kernels are small functions of frequency."""

from nifconv import footprint, frequency, functional
from nifconv.bake import bake
from nifconv.baked import Baked
from nifconv.conv import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d
from nifconv.conversion import Conversion
from nifconv.convert import convert
from nifconv.count import ParameterCount, count_parameters
from nifconv.filters import (
    Envelope,
    FilterBank,
    FourierFeatures,
    FrequencyFilter,
    ImplicitFilter,
    SpatialFilter,
    TableFilter,
    compact_state_dict,
    frozen,
    load_compact_state_dict,
    niff_big,
    niff_small,
    niff_tiny,
)
from nifconv.fit import FitResult, fit
from nifconv.lc import LCConv1d, LCConv2d, LCConv3d
from nifconv.loading import load
from nifconv.locality import locality_penalty

__all__ = [
    "Baked",
    "Conversion",
    "Envelope",
    "FilterBank",
    "FitResult",
    "FourierFeatures",
    "FrequencyConv1d",
    "FrequencyConv2d",
    "FrequencyConv3d",
    "FrequencyFilter",
    "ImplicitFilter",
    "LCConv1d",
    "LCConv2d",
    "LCConv3d",
    "ParameterCount",
    "SpatialFilter",
    "TableFilter",
    "bake",
    "compact_state_dict",
    "convert",
    "count_parameters",
    "fit",
    "footprint",
    "frequency",
    "frozen",
    "functional",
    "load",
    "load_compact_state_dict",
    "locality_penalty",
    "niff_big",
    "niff_small",
    "niff_tiny",
]
