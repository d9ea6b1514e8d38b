"""From the convolutions of a model to frequency layers: choose, build, match, substitute, report, describe."""

from nifconv.conversion._convert import convert
from nifconv.conversion._filters import Filters, read_filters
from nifconv.conversion._load import (
    check_tensors,
    check_unconverted,
    convert_again,
    is_converted,
    set_initial_gains,
)
from nifconv.conversion._report import Conversion, ConversionReport
from nifconv.conversion._savable import describe
from nifconv.conversion._select import convolutions

__all__ = [
    "Conversion",
    "ConversionReport",
    "Filters",
    "check_tensors",
    "check_unconverted",
    "convert",
    "convert_again",
    "convolutions",
    "describe",
    "is_converted",
    "read_filters",
    "set_initial_gains",
]
