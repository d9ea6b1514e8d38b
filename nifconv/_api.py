"""The public names; `nifconv` itself gets them from here when they are first used."""

from nifconv import footprint, frequency, functional
from nifconv.baking import Baked, bake
from nifconv.conversion import Conversion, convert
from nifconv.filters import (
    Budget,
    Envelope,
    FilterBank,
    FilterFactory,
    FitResult,
    FourierFeatures,
    FrequencyFilter,
    ImplicitFilter,
    MultiScaleFeatures,
    SpatialFilter,
    TableFilter,
    compact_state_dict,
    evaluated_once,
    fit,
    frozen,
    load_compact_state_dict,
    niff_big,
    niff_small,
    niff_tiny,
)
from nifconv.layers import FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, LCConv1d, LCConv2d, LCConv3d
from nifconv.models import load
from nifconv.parameters import ParameterCount, count_parameters
from nifconv.penalties import locality_penalty
from nifconv.spectral import use_crossover

__all__ = [
    "Baked",
    "Budget",
    "Conversion",
    "Envelope",
    "FilterBank",
    "FilterFactory",
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
    "MultiScaleFeatures",
    "ParameterCount",
    "SpatialFilter",
    "TableFilter",
    "bake",
    "compact_state_dict",
    "convert",
    "count_parameters",
    "evaluated_once",
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
    "use_crossover",
]
