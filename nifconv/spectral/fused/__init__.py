"""Depthwise products of spectra in one pass over a map: transforms as matrix products on the chip of a GPU."""
