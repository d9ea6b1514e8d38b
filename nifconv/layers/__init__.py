"""Layers: frequency convolutions, linear-combination blocks, and how an `nn.ConvNd` is read."""

from nifconv.layers._conv import FrequencyConv, FrequencyConv1d, FrequencyConv2d, FrequencyConv3d, layer_class
from nifconv.layers._convnd import ConvNd, class_name, conv_gain, effective_weight, first_pixel
from nifconv.layers._linear_combination import LCConv, LCConv1d, LCConv2d, LCConv3d, lc_class

__all__ = [
    "ConvNd",
    "FrequencyConv",
    "FrequencyConv1d",
    "FrequencyConv2d",
    "FrequencyConv3d",
    "LCConv",
    "LCConv1d",
    "LCConv2d",
    "LCConv3d",
    "class_name",
    "conv_gain",
    "effective_weight",
    "first_pixel",
    "layer_class",
    "lc_class",
]
