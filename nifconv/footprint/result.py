"""What a survey returns: the layers of a model, and ways to look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nifconv._validate import choice
from nifconv.footprint.layer import LayerFootprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Survey:
    """The kernels of a model, layer by layer in the order in which they ran.

    Attributes:
        layers: one entry for each layer and each map size it ran at.
        not_run: convolutions that the example input did not reach; nothing is known of their map sizes.
        settings: what the survey was made with.
    """

    layers: tuple[LayerFootprint, ...]
    not_run: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stages(self) -> dict[str, tuple[LayerFootprint, ...]]:
        """The layers by stage, in the order in which stages first ran."""
        stages: dict[str, list[LayerFootprint]] = {}
        for layer in self.layers:
            stages.setdefault(layer.stage, []).append(layer)
        return {stage: tuple(layers) for stage, layers in stages.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON; see `LayerFootprint.to_dict`."""
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "not_run": list(self.not_run),
            "settings": dict(self.settings),
        }

    def plot(self, kind: str = "mass") -> Figure:
        """A figure of the whole survey; needs matplotlib.

        Args:
            kind: "mass", mass ratio against window size; or "kernels", the strongest kernels of each layer.

        Raises:
            ValueError: `kind` is neither, or the survey has no layer.
            ImportError: matplotlib is not installed.
        """
        from nifconv.footprint import plots

        choice("kind", kind, ("mass", "kernels"))
        return plots.mass_curves(self.layers) if kind == "mass" else plots.kernel_gallery(self.layers)
