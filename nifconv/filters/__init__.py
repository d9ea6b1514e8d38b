"""Filters: what a frequency convolution multiplies spectra by."""

from nifconv.filters._bank import FilterBank
from nifconv.filters._base import DEFAULT_GAIN, FrequencyFilter, initial_gains
from nifconv.filters._budget import Budget
from nifconv.filters._cache import evaluated_once
from nifconv.filters._encoding import Encoding, FourierFeatures, MultiScaleFeatures, Neighbors
from nifconv.filters._envelope import Envelope
from nifconv.filters._factory import FilterFactory, build_filter, check_factory, for_layer, needs_kernel_size
from nifconv.filters._fit import FitResult, fit
from nifconv.filters._frozen import compact_state_dict, frozen, load_compact_state_dict
from nifconv.filters._implicit import ImplicitFilter
from nifconv.filters._presets import PRESETS, niff_big, niff_small, niff_tiny, read_filter
from nifconv.filters._spatial import SpatialFilter
from nifconv.filters._spec import is_spec, read_spec, savable, write_spec
from nifconv.filters._table import TableFilter

__all__ = [
    "DEFAULT_GAIN",
    "PRESETS",
    "Budget",
    "Encoding",
    "Envelope",
    "FilterBank",
    "FilterFactory",
    "FitResult",
    "FourierFeatures",
    "FrequencyFilter",
    "ImplicitFilter",
    "MultiScaleFeatures",
    "Neighbors",
    "SpatialFilter",
    "TableFilter",
    "build_filter",
    "check_factory",
    "compact_state_dict",
    "evaluated_once",
    "fit",
    "for_layer",
    "frozen",
    "initial_gains",
    "is_spec",
    "load_compact_state_dict",
    "needs_kernel_size",
    "niff_big",
    "niff_small",
    "niff_tiny",
    "read_filter",
    "read_spec",
    "savable",
    "write_spec",
]
