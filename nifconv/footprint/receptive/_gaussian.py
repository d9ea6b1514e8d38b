"""How close a receptive field is to a Gaussian."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nifconv.frequency import offsets

_NARROWEST = 1e-6  # variance in square pixels below which a field has no width; rounding alone stays below it


def gaussian_share(contribution: Tensor) -> float:
    """Overlap of a field with the Gaussian of its own mean and covariance, see `ReceptiveField.gaussian`.

    Args:
        contribution: shares that sum to 1, float64, `(*size)`.

    Returns:
        A share in [0, 1]; NaN if the contributions are.
    """
    if contribution.isnan().any():  # nothing contributes; a decomposition would raise
        return math.nan
    shares = contribution.flatten()  # (pixels,)
    positions = offsets(contribution.shape).flatten(0, -2)  # (pixels, d)
    centred = positions - shares @ positions
    covariance = torch.einsum("n,na,nb->ab", shares, centred, centred)
    # In the axes of the ellipse. Along an axis without width (a single pixel, a line) the floor leaves only the pixels
    # on the line, whose deviation there is 0, and makes the density of all others 0.
    variances, axes = torch.linalg.eigh(covariance)
    squared = (centred @ axes).square() / variances.clamp_min(_NARROWEST)  # (pixels, d), in squared deviations
    exponent = -squared.sum(-1) / 2
    # A softmax is the density at the pixels divided by its sum, without underflow where no pixel is near the mean.
    return 1 - (shares - exponent.softmax(0)).abs().sum().item() / 2
