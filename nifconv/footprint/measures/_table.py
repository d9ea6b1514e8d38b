"""The table of what a survey measures: files, figures, pages and the null distribution all read it from here.

To add a measure, write a function of `Kernels` and one row below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nifconv.footprint.measures import _ensemble, _moments, _ringing
from nifconv.footprint.measures import _size as _sizes
from nifconv.footprint.measures._kernels import Kernels
from nifconv.footprint.measures._statistics import quantiles


@dataclass(frozen=True)
class Measure:
    """A number for each kernel, or for a layer as a whole.

    Attributes:
        name: its key in dictionaries and files.
        label: its name in tables and figures.
        unit: "px", "%" or "" for none.
        description: one sentence for the reader of a page.
        function: from kernels to float64 values `(out_channels, in_channels)`, or to a scalar if `per_layer`.
        per_layer: whether it looks at all kernels of a layer together.
        step: distance between neighbouring values that it can take; 0 if it is continuous.
    """

    name: str
    label: str
    unit: str
    description: str
    function: Callable[[Kernels], Tensor]
    per_layer: bool = False
    step: float = 0.0

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    def values(self, kernels: Kernels) -> Tensor:
        """Its value for each kernel, float64, `(kernels,)`; if `per_layer`, `(1,)`."""
        parts = [kernels] if self.per_layer else kernels.parts  # what looks at all kernels cannot be computed in parts
        return torch.cat([self.function(part).reshape(-1) for part in parts])

    def format(self, value: float | None) -> str:
        """The value as tables show it, with no more digits than are meaningful."""
        if value is None or value != value:
            return "-"
        if self.unit == "%":
            return f"{100 * value:.0f}"
        if self.step >= 1 and value == round(value):  # the median of an even number may lie between two steps
            return f"{value:.0f}"
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"

    def format_change(self, value: float) -> str:
        """A difference of two values, with its sign; empty where there is none."""
        return "" if value != value else ("-" if value < 0 else "+") + self.format(abs(value))


def median(values: Tensor) -> float:
    """The median of values `(kernels,)`, without those that are NaN; NaN if all are."""
    return quantiles(values[:, None], (0.5,)).item()


def _size(kernels: Kernels, share: float) -> Tensor:
    return _sizes.smallest_window(kernels.mass_ratio, share)  # cached, so that all sizes and masses share one pass


def _energy_size(kernels: Kernels) -> Tensor:
    return _sizes.smallest_window(kernels.energy_ratio, 0.9)


def _aligned_size(kernels: Kernels) -> Tensor:
    size = _sizes.effective_size(_moments.align(kernels.taps, periodic=kernels.periodic), 0.9)
    # `align` pads a kernel that does not wrap around; the zeros must not make it seem larger than it is.
    return size if kernels.periodic else torch.minimum(size, size.new_tensor(kernels.windows[-1]))


def _mass(kernels: Kernels, side: int) -> Tensor:
    # Windows have the sides 1, 3, 5, ..; a kernel smaller than `side` lies in its last window.
    return kernels.mass_ratio[..., min(side // 2, len(kernels.windows) - 1)]


# Lambdas rather than the functions themselves, which are public and take taps, not `Kernels`.
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
        "As size 90 %, after the kernel is shifted so that its energy is centred: a local kernel is local anywhere.",
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
        lambda kernels: _moments.rms_radius(kernels.taps),
    ),
    Measure(
        "spectral_radius",
        "spectral radius",
        "px",
        "As rms radius, with distances along chords of the circular map: the roughness of the spectrum.",
        lambda kernels: _moments.spectral_radius(kernels.taps),
    ),
    Measure(
        "centroid_offset",
        "centroid offset",
        "px",
        "Distance from the centre to the centroid of the squared weight.",
        lambda kernels: _moments.centroid_offset(kernels.taps),
    ),
    Measure(
        "anisotropy",
        "anisotropy",
        "",
        "1 - short / long axis of the ellipse of inertia: 0 for a disc, 1 for a line.",
        lambda kernels: _moments.anisotropy(kernels.taps),
    ),
    Measure(
        "even_share",
        "even share",
        "%",
        "Share of the energy that is the same, sign included, at n and -n.",
        lambda kernels: _ensemble.even_share(kernels.taps, periodic=kernels.periodic),
    ),
    Measure(
        "cross_share",
        "on the cross",
        "%",
        "Share of the absolute weight outside a 9-pixel window that lies on the axes, 3 pixels wide.",
        lambda kernels: _ringing.cross_share(kernels.taps),
    ),
    Measure(
        "cross_preference",
        "cross preference",
        "",
        "Absolute weight on the axes (3 pixels wide) outside a 9-pixel window, over what their share of the area at "
        "each distance explains: 1 for no preference, well above it for a kernel that rings.",
        lambda kernels: _ringing.cross_preference(kernels.taps),
    ),
    Measure(
        "sign_alternation",
        "sign alternation",
        "%",
        "Share of neighbouring taps with opposite signs, along the axes outside a 9-pixel window: 50 for white noise, "
        "near 100 for a spectrum that jumps at Nyquist.",
        lambda kernels: _ringing.sign_alternation(kernels.taps),
    ),
    Measure(
        "variance_spread",
        "variance spread",
        "%",
        "Share of the positions over which the variance between kernels is spread: small if centre-peaked.",
        lambda kernels: _ensemble.variance_spread(kernels.taps),
        per_layer=True,
    ),
    Measure(
        "first_explained",
        "first shape explains",
        "%",
        "Share of the layer's energy along its first principal kernel.",
        lambda kernels: _ensemble.first_explained(kernels.taps),
        per_layer=True,
    ),
    Measure(
        "effective_rank",
        "effective rank",
        "",
        "Number of principal kernels that the layer's kernels are effectively made of.",
        lambda kernels: _ensemble.effective_rank(kernels.taps),
        per_layer=True,
    ),
)
BY_NAME = {measure.name: measure for measure in MEASURES}
# What the first tables show; everything else is in the files and the details.
HEADLINE = ("size50", "size90", "rms_radius", "cross_preference", "effective_rank")
