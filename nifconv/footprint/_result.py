"""What a survey returns: the layers of a model, and ways to look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nifconv._support.arguments import choice
from nifconv.footprint import _export
from nifconv.footprint._layer import LayerFootprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from nifconv.footprint._receptive_field import ReceptiveField


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

    def to_csv(self, path: str | Path | None = None) -> str:
        """One line a layer, every measure with its quantiles and null; written to `path` if there is one."""
        return _export.to_csv(_export.rows(self.layers), path)

    def to_dataframe(self) -> DataFrame:
        """What `to_csv` writes, as a data frame.

        Raises:
            ImportError: pandas is not installed.
        """
        return _export.to_dataframe(_export.rows(self.layers))

    def to_html(
        self, path: str | Path, *, title: str = "Kernels of a network", fields: Sequence[ReceptiveField] = ()
    ) -> None:
        """Writes one self-contained page: sortable tables, figures, every layer with its kernels and its null.

        It opens from disk and needs no network. Names from the model are escaped.

        Args:
            path: of the file, replaced if it exists.
            title: at the top of the page.
            fields: effective receptive fields to show with it.

        Raises:
            ImportError: jinja2 or matplotlib is not installed.
        """
        from nifconv.footprint.page import _render

        _render.write(path, _render.render({"": self}, title=title, fields=fields))

    def plot(self, kind: str = "mass", *, stage: str | None = None) -> Figure:
        """A figure of the whole survey, or of one stage; needs matplotlib.

        Args:
            kind: "mass", mass ratio against window side by stage, over that of fresh draws; "depth", effective size
                from layer to layer; "kernels", the strongest kernels, all at the same scale; "zoom", each as large as
                fits; "principal", the shapes they are made of; "variance", where they vary. Galleries of more than
                12 layers show the one of each stage with the largest kernels.
            stage: one of `stages`; by default all.

        Raises:
            ValueError: `kind` or `stage` is unknown, or the survey has no layer.
            ImportError: matplotlib is not installed.
        """
        from nifconv.footprint.figures import _curves, _galleries

        kinds: dict[str, Callable[[Sequence[LayerFootprint]], Figure]] = {
            "mass": lambda layers: _curves.mass_curves({"": layers}),
            "depth": lambda layers: _curves.size_by_depth({"": layers}),
            "kernels": _galleries.kernel_gallery,
            "zoom": _galleries.zoomed_gallery,
            "principal": _galleries.principal_gallery,
            "variance": _galleries.variance_maps,
        }
        choice("kind", kind, tuple(kinds))
        if stage is not None:
            choice("stage", stage, tuple(self.stages))
        return kinds[kind](self.layers if stage is None else self.stages[stage])
