"""What a survey returns: the layers of a model, and how to look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nifconv._support.arguments import choice
from nifconv._support.tables import html_table, text_table
from nifconv.footprint import _export
from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint._null import LEAST_COPIES
from nifconv.footprint.receptive import ReceptiveField

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from torch import Tensor


@dataclass(frozen=True)
class Survey:
    """The kernels of a model, layer by layer in the order in which they ran.

    Attributes:
        layers: one entry for each layer and each map size it ran at.
        not_run: convolutions that the example input did not reach, so that their map sizes are unknown.
        settings: how the survey was made.
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

    @property
    def provenance(self) -> dict[str, Any]:
        """The settings, and the layers that did not run, if any."""
        return {**self.settings, **({"did not run": ", ".join(self.not_run)} if self.not_run else {})}

    def __repr__(self) -> str:
        model, null = self.settings.get("model", ""), self.settings.get("null", 0)
        return f"Survey({model}{', ' if model else ''}{len(self.layers)} layers, null={null})"

    def __str__(self) -> str:
        """The main measures as a table of plain text, at most 100 columns wide."""
        return self.to_text(100)

    def to_text(self, width: int | None = None) -> str:
        """The main measures as plain text; columns that do not fit into `width` characters follow in another block."""
        return f"{text_table(*_export.summary(self.layers), width)}\n\n{self._caption}"

    def _repr_html_(self) -> str:  # what notebooks display
        return f"{html_table(*_export.summary(self.layers))}<p>{escape(self._caption)}</p>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON; see `LayerFootprint.to_dict`."""
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "not_run": list(self.not_run),
            "settings": dict(self.settings),
        }

    def to_csv(self, path: str | Path | None = None) -> str:
        """One line per layer: quantiles and null distribution of every measure; written to `path` too, if given."""
        return _export.to_csv(_export.rows(self.layers), path)

    def to_dataframe(self) -> DataFrame:
        """What `to_csv` writes, as a data frame.

        Raises:
            ImportError: pandas is not installed.
        """
        return _export.to_dataframe(_export.rows(self.layers))

    def to_html(
        self,
        path: str | Path,
        *,
        title: str = "Kernels of a network",
        fields: Sequence[ReceptiveField] = (),
        image: Tensor | None = None,
    ) -> None:
        """Writes one self-contained page: the findings in words, pictures, sortable tables and each layer in detail.

        The page opens from disk and needs no network. Names from the model are escaped.

        Args:
            path: file to write, replaced if it exists.
            title: heading of the page.
            fields: effective receptive fields to show as well.
            image: an input of the model to draw the fields over, `(channels, rows, columns)`, with any range of values.

        Raises:
            ImportError: jinja2 or matplotlib is not installed.
            TypeError: `image` is not a real floating tensor.
            ValueError: `image` does not have three axes.
        """
        from nifconv.footprint.page import _render

        # A page and a figure take several surveys by name; a single one needs none and is called "".
        settings = {"": self.provenance}
        page = _render.render({"": self.layers}, title=title, settings=settings, fields={"": fields}, image=image)
        _render.write(path, page)

    def plot(self, kind: str = "mass", *, stage: str | None = None) -> Figure:
        """A figure of the whole survey, or of one stage; needs matplotlib.

        Args:
            kind: "mass", mass ratio against window side by stage, with the null distribution; "depth", effective size
                from layer to layer; "kernels", the strongest kernels, all at the same scale; "zoom", each as large as
                fits; "principal", the shapes they are made of; "variance", where they vary. If there are more than 12
                layers, galleries show the layer with the largest kernels of each stage.
            stage: one of `stages`; by default all of them.

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
        if stage is not None:  # "" is a legal stage: that of a model that is itself one convolution
            choice("stage", stage, tuple(self.stages))
        return kinds[kind](self.layers if stage is None else self.stages[stage])

    @property
    def _caption(self) -> str:
        null = self.settings.get("null", 0)
        notes = ["Medians over the kernels of each layer."]
        if null:
            notes.append(f"In brackets z, the distance from the null distribution ({null} re-initialisations).")
            if null < LEAST_COPIES:
                notes.append(f"With so few, z is not evidence, however large: use {LEAST_COPIES} or more.")
        if self.not_run:
            notes.append(f"Did not run: {', '.join(self.not_run)}.")
        return "\n".join(notes)
