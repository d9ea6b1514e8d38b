"""The kernels of one layer, and what is measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from nifconv.footprint import metrics


@dataclass(frozen=True, eq=False)  # tensors have no truth value to compare by
class LayerFootprint:
    """The kernels of one layer at one map size, and their measures.

    Attributes:
        name: where the layer stands in the model.
        kind: name of its class.
        map_size: spatial size of the layer's input, in pixels.
        taps: the kernels as applied at that size, real, on the CPU, `(out_channels, in_channels_per_group, *size)`,
            centred at `size // 2`. A dilated kernel has its taps `dilation` pixels apart, zeros between.
    """

    name: str
    kind: str
    map_size: tuple[int, ...]
    taps: Tensor

    @property
    def windows(self) -> tuple[int, ...]:
        """Window sides in pixels, the last axis of the ratios."""
        return metrics.windows(self.taps.shape[2:])

    @cached_property
    def mass_ratio(self) -> Tensor:
        """See `metrics.mass_ratio`."""
        return metrics.mass_ratio(self.taps)

    @cached_property
    def energy_ratio(self) -> Tensor:
        """See `metrics.energy_ratio`."""
        return metrics.energy_ratio(self.taps)

    def to_dict(self) -> dict[str, Any]:
        """Statistics over the layer's kernels, plain data ready for JSON; None where every kernel is zero."""
        return {
            "name": self.name,
            "kind": self.kind,
            "map_size": list(self.map_size),
            "taps_size": list(self.taps.shape[2:]),
            "kernels": self.taps.shape[0] * self.taps.shape[1],
            "windows": list(self.windows),
            "mass_ratio": [_median(within) for within in self.mass_ratio.unbind(-1)],
            "energy_ratio": [_median(within) for within in self.energy_ratio.unbind(-1)],
            "effective_size": _median(metrics.effective_size(self.taps)),
            "rms_radius": _median(metrics.rms_radius(self.taps)),
        }


def _median(values: Tensor) -> float | None:
    median = values.nanmedian().item()
    return None if median != median else median
