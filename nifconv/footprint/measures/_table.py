"""The list of what a survey measures: tables, files, reports and the null all read it from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nifconv.footprint.measures import _ensemble, _moments
from nifconv.footprint.measures import _size as _sizes

if TYPE_CHECKING:
    from nifconv.footprint._layer import LayerFootprint


@dataclass(frozen=True)
class Measure:
    """A number for each kernel, or for a layer as a whole.

    Attributes:
        name: its key in dictionaries and files.
        label: its name in tables and figures.
        unit: "px", "%" or "" for none.
        description: one sentence for the reader of a report.
        function: from a layer to float64 values `(out_channels, in_channels)`, or to a scalar if `per_layer`.
        per_layer: whether it looks at all kernels of a layer together.
        step: distance between neighbouring values it can take, 0 if any.
    """

    name: str
    label: str
    unit: str
    description: str
    function: Callable[[LayerFootprint], Tensor]
    per_layer: bool = False
    step: float = 0.0

    def format(self, value: float | None) -> str:
        """The value as tables show it, with no more digits than it has meaning."""
        if value is None or value != value:
            return "-"
        if self.unit == "%":
            return f"{100 * value:.0f}"
        return f"{value:.0f}" if self.step >= 1 and value == round(value) else f"{value:.2f}"


def _size(layer: LayerFootprint, share: float) -> Tensor:
    return _sizes.smallest_window(layer.mass_ratio, share)


def _energy_size(layer: LayerFootprint) -> Tensor:
    return _sizes.smallest_window(layer.energy_ratio, 0.9)


def _aligned_size(layer: LayerFootprint) -> Tensor:
    size = _sizes.effective_size(_moments.align(layer.taps, periodic=layer.periodic), 0.9)
    # Zeros around a kernel that does not wrap around must not let it seem larger than it is.
    return torch.minimum(size, size.new_tensor(layer.windows[-1])) if not layer.periodic else size


def _mass(layer: LayerFootprint, side: int) -> Tensor:
    return layer.mass_ratio[..., min(side // 2, len(layer.windows) - 1)]


MEASURES = (
    *(
        Measure(
            f"size{share}",
            f"size {share} %",
            "px",
            f"Side of the smallest centred odd window that holds {share} % of the kernel's absolute weight.",
            partial(_size, share=share / 100),
            step=2.0,
        )
        for share in (50, 90, 95, 99)
    ),
    Measure(
        "energy_size90",
        "energy size 90 %",
        "px",
        "Side of the smallest centred odd window that holds 90 % of the kernel's squared weight.",
        _energy_size,
        step=2.0,
    ),
    Measure(
        "aligned_size90",
        "aligned size 90 %",
        "px",
        "As size 90 %, after the kernel is moved to the centre of its own energy: a shifted local kernel is local.",
        _aligned_size,
        step=2.0,
    ),
    *(
        Measure(
            f"mass{side}",
            f"mass in {side}",
            "%",
            f"Share of the absolute weight within the centred window of side {side}.",
            partial(_mass, side=side),
        )
        for side in (1, 3, 7)
    ),
    Measure(
        "rms_radius",
        "rms radius",
        "px",
        "Root mean square distance from the centre under the squared weight.",
        lambda layer: _moments.rms_radius(layer.taps),
    ),
    Measure(
        "spectral_radius",
        "spectral radius",
        "px",
        "The rms radius along chords of the torus, from differences between neighbouring bins of the spectrum.",
        lambda layer: _moments.spectral_radius(layer.taps),
    ),
    Measure(
        "centroid_offset",
        "centroid offset",
        "px",
        "Distance from the centre to the centroid of the squared weight.",
        lambda layer: _moments.centroid_offset(layer.taps),
    ),
    Measure(
        "anisotropy",
        "anisotropy",
        "",
        "1 - short / long axis of the ellipse of inertia: 0 for a disc, 1 for a line.",
        lambda layer: _moments.anisotropy(layer.taps),
    ),
    Measure(
        "even_share",
        "even share",
        "%",
        "Share of the energy that is the same, sign included, at n and -n.",
        lambda layer: _ensemble.even_share(layer.taps, periodic=layer.periodic),
    ),
    Measure(
        "variance_spread",
        "variance spread",
        "%",
        "Share of the positions over which the variance between kernels is spread: small if centre-peaked.",
        lambda layer: _ensemble.variance_spread(layer.taps),
        per_layer=True,
    ),
    Measure(
        "first_explained",
        "first shape explains",
        "%",
        "Share of the layer's energy along its first principal kernel.",
        lambda layer: _ensemble.first_explained(layer.taps),
        per_layer=True,
    ),
    Measure(
        "effective_rank",
        "effective rank",
        "",
        "How many principal kernels the layer's kernels are effectively made of.",
        lambda layer: _ensemble.effective_rank(layer.taps),
        per_layer=True,
    ),
)
BY_NAME = {measure.name: measure for measure in MEASURES}
HEADLINE = ("size50", "size90", "size99", "rms_radius", "effective_rank")
"""What the first tables show; everything else is in the files and the details."""
