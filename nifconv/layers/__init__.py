"""Layers: frequency convolutions, linear-combination blocks, and one view of every convolution of a model."""

from nifconv.layers._base import Composition, ConvNd, Convolution, SpatialLayer
from nifconv.layers._conv import FrequencyConv, FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, layer_class
from nifconv.layers._convnd import (
    CONVS,
    ConvNdView,
    as_convolution,
    class_name,
    conv_gain,
    effective_weight,
    spatial_convolutions,
)
from nifconv.layers._linear_combination import LCConv, LCConv1d, LCConv2d, LCConv3d, lc_class

__all__ = [
    "CONVS",
    "Composition",
    "ConvNd",
    "ConvNdView",
    "Convolution",
    "FrequencyConv",
    "FrequencyConv1d",
    "FrequencyConv2d",
    "FrequencyConv3d",
    "LCConv",
    "LCConv1d",
    "LCConv2d",
    "LCConv3d",
    "SpatialLayer",
    "as_convolution",
    "class_name",
    "conv_gain",
    "effective_weight",
    "layer_class",
    "lc_class",
    "spatial_convolutions",
]
