"""Filters: what a frequency convolution multiplies with."""

from nifconv.filters.base import FrequencyFilter
from nifconv.filters.encoding import FourierFeatures
from nifconv.filters.implicit import ImplicitFilter
from nifconv.filters.spatial import SpatialFilter

__all__ = ["FourierFeatures", "FrequencyFilter", "ImplicitFilter", "SpatialFilter"]
