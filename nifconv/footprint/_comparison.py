"""Surveys side by side: before and after training, or of different models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nifconv._support.arguments import choice
from nifconv.footprint import _export
from nifconv.footprint._result import Survey
from nifconv.footprint.receptive import ReceptiveField

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


@dataclass(frozen=True)
class Comparison:
    """Two or more surveys by name; their layers are matched by name and map size."""

    surveys: Mapping[str, Survey]

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON: what `Survey.to_dict` returns, by name."""
        return {name: survey.to_dict() for name, survey in self.surveys.items()}

    def to_csv(self, path: str | Path | None = None) -> str:
        """The lines of `Survey.to_csv` for every survey, with its name in the column `survey`."""
        table = [
            {"survey": name, **row} for name, survey in self.surveys.items() for row in _export.rows(survey.layers)
        ]
        return _export.to_csv(table, path)

    def plot(self, kind: str = "depth") -> Figure:
        """All surveys in one figure; needs matplotlib.

        Args:
            kind: "depth", effective size from layer to layer; "mass", mass ratio against window side.

        Raises:
            ValueError: `kind` is unknown, or the surveys have no layer.
            ImportError: matplotlib is not installed.
        """
        from nifconv.footprint.figures import _curves  # here, since importing the library draws nothing

        choice("kind", kind, ("depth", "mass"))
        layers = {name: survey.layers for name, survey in self.surveys.items()}
        return _curves.size_by_depth(layers) if kind == "depth" else _curves.mass_curves(layers)

    def to_html(
        self,
        path: str | Path,
        *,
        title: str = "Kernels side by side",
        fields: Mapping[str, Sequence[ReceptiveField]] | Sequence[ReceptiveField] = (),
        image: Tensor | None = None,
    ) -> None:
        """Writes one self-contained page, as `Survey.to_html` does, that compares the first survey with the others.

        A slider chooses which one, so there may be any number of models, checkpoints or epochs.

        Args:
            path, title, image: as for `Survey.to_html`.
            fields: effective receptive fields to show as well: by the name of their survey, or a sequence of them.

        Raises:
            ImportError: jinja2 or matplotlib is not installed.
            TypeError, ValueError: as for `Survey.to_html`.
        """
        from nifconv.footprint.page import _render

        layers = {name: survey.layers for name, survey in self.surveys.items()}
        settings = {name: survey.provenance for name, survey in self.surveys.items()}
        named = fields if isinstance(fields, Mapping) else {"": fields}
        # One of the surveys may have a null distribution and another none; the page has its columns if any has.
        _render.write(path, _render.render(layers, title=title, settings=settings, fields=named, image=image))


def compare(surveys: Mapping[str, Survey]) -> Comparison:
    """Puts surveys, given by name, side by side.

    >>> import torch
    >>> from torch import nn
    >>> from nifconv.footprint import survey
    >>> x = torch.randn(1, 1, 9, 9)
    >>> both = compare({"small": survey(nn.Conv2d(1, 4, 3), x), "large": survey(nn.Conv2d(1, 4, 7), x)})
    >>> list(both.to_dict())
    ['small', 'large']

    Raises:
        TypeError: `surveys` is not a mapping of names to surveys.
        ValueError: there are fewer than two.
    """
    if not isinstance(surveys, Mapping) or not all(isinstance(survey, Survey) for survey in surveys.values()):
        raise TypeError(
            f"surveys={type(surveys).__name__} must be a mapping of names to surveys, such as "
            '{"before": survey(model, x), "after": survey(trained, x)}'
        )
    if len(surveys) < 2:
        raise ValueError(f"surveys={list(surveys)} has {len(surveys)} entries; give two or more to compare")
    return Comparison(dict(surveys))  # a copy, which the caller's mapping can no longer change
