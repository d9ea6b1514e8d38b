"""From the convolutions of a model to frequency layers: choose, build, match, substitute, report; save and load."""

from nifconv.conversion._convert import convert
from nifconv.conversion._load import load
from nifconv.conversion._report import Conversion, ConversionReport
from nifconv.conversion._select import convolutions

__all__ = [
    "Conversion",
    "ConversionReport",
    "convert",
    "convolutions",
    "load",
]
