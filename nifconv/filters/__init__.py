"""Filters: what a frequency convolution multiplies with."""

from nifconv.filters.bank import FilterBank
from nifconv.filters.base import FrequencyFilter
from nifconv.filters.encoding import FourierFeatures
from nifconv.filters.envelope import Envelope
from nifconv.filters.frozen import compact_state_dict, frozen, load_compact_state_dict
from nifconv.filters.implicit import ImplicitFilter
from nifconv.filters.presets import niff_big, niff_small, niff_tiny
from nifconv.filters.spatial import SpatialFilter
from nifconv.filters.table import TableFilter

__all__ = [
    "Envelope",
    "FilterBank",
    "FourierFeatures",
    "FrequencyFilter",
    "ImplicitFilter",
    "SpatialFilter",
    "TableFilter",
    "compact_state_dict",
    "frozen",
    "load_compact_state_dict",
    "niff_big",
    "niff_small",
    "niff_tiny",
]
