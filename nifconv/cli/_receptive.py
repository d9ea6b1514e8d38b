"""The receptive field that `nifconv inspect` measures when it is asked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nifconv.cli._options import Pixels
from nifconv.cli._output import Bar, table

if TYPE_CHECKING:
    from torch import Tensor

    from nifconv.footprint import ReceptiveField
    from nifconv.models import OpenedModel


@dataclass(frozen=True)
class FieldOptions:
    """The options whose names start with --erf.

    Attributes:
        sizes: input sizes, in pixels.
        layer: name of the layer whose central unit is measured; None for the last with a spatial output.
        output: index or key of the output of a layer that returns several.
        grid: grid of the layer's tokens, where their number does not tell it.
    """

    sizes: Sequence[Pixels]
    layer: str | None
    output: str | None
    grid: Pixels | None

    def measure(self, source: OpenedModel, x: Tensor, seed: int) -> tuple[ReceptiveField, ...]:
        """A field for each size; `x` is interpolated to it."""
        from nifconv.footprint import effective_receptive_field

        # An index of a tuple or list arrives as text, as does the key of a mapping.
        output = int(self.output) if self.output and self.output.lstrip("-").isdecimal() else self.output
        return effective_receptive_field(
            source.module,
            x,
            layer=self.layer,
            output=output,
            grid=self.grid,
            sizes=self.sizes,
            seed=seed,
            progress=Bar(f"{source.name}: receptive field"),
        )


def read_image(option: str, path: Path | None) -> Tensor | None:
    """An image file as `(channels, rows, columns)`, between 0 and 1.

    Raises:
        typer.BadParameter: it cannot be read.
    """
    if path is None:
        return None
    try:
        import numpy as np
        import torch
        from PIL import Image

        pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))  # (rows, columns, channels)
    except ImportError as error:
        raise typer.BadParameter(
            f"images need {error.name}; install it with: pip install 'nifconv[report]'", param_hint=option
        ) from error
    except OSError as error:  # PIL's own errors are of this kind too
        raise typer.BadParameter(f"{path} is not an image that can be read: {error}", param_hint=option) from error
    return pixels.movedim(-1, 0).float() / 255


def fields_table(fields: Sequence[ReceptiveField]) -> str:
    """A row for each field: sides and areas at the usual shares, and how Gaussian it is."""
    from nifconv._support.text import by_size

    rows: list[dict[str, Any]] = [field.to_dict() for field in fields]
    header = ["layer", "input, px", *(f"{100 * float(share):g} %" for share in rows[0]["side"]), "Gaussian"]
    cells = [
        [
            "-" if side is None else f"{side:.0f} ({100 * row['area'][share]:.0f} %)"
            for share, side in row["side"].items()
        ]
        + ["-" if row["gaussian"] is None else f"{100 * row['gaussian']:.0f} %"]
        for row in rows
    ]
    return table(
        header, [[row["layer"] or "output", by_size(row["size"]), *line] for row, line in zip(rows, cells, strict=True)]
    )
