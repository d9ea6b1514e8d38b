"""The figures of a page, as data URIs."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from nifconv._support.text import by_size
from nifconv.footprint.page._findings import Fields
from nifconv.footprint.page._rows import Layers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CURVES = 5  # surveys in one figure; more lines hide each other
_MOST_GALLERIES = 3  # surveys with galleries of their own, which make up most of the file


class _Drawn(NamedTuple):
    caption: str
    figure: Figure
    side: int | None = None  # of the survey that it shows, if it shows one of several
    colors: int | None = 64  # in the file; all of them if None


def figures(surveys: Layers, fields: Fields, image: Tensor | None) -> list[dict[str, object]]:
    """Caption, data URI and side of each figure; the side is that of the survey that it shows, None for all."""
    # One by one, so that only one figure is in memory.
    drawn = itertools.chain(_curves_of(surveys), _galleries_of(surveys), _maps_of(fields, list(surveys), image))
    return [{"caption": found.caption, "image": _data_uri(found), "side": found.side} for found in drawn]


def _curves_of(surveys: Layers) -> Iterator[_Drawn]:
    from nifconv.footprint.figures import _curves

    present = [name for name, members in surveys.items() if members]  # figures refuse a survey without layers
    if present:
        layers = {name: surveys[name] for name in _spread(present, _MOST_CURVES)}
        some = f", {len(layers)} of {len(present)} surveys" if len(layers) < len(present) else ""
        yield _Drawn(
            f"Effective size (90 % of the absolute weight) from the first layer to the last{some}.",
            _curves.size_by_depth(layers),
        )
        yield _Drawn(
            f"How the absolute weight gathers around the centre: median over the kernels, band from 10 to 90 %{some}.",
            _curves.mass_curves(layers),
        )


def _galleries_of(surveys: Layers) -> Iterator[_Drawn]:
    from nifconv.footprint.figures import _galleries

    present = [name for name, members in surveys.items() if members]
    for name in _spread(present, _MOST_GALLERIES):  # galleries of two surveys would be too wide for one figure
        of, layers = f" ({name})" if name else "", surveys[name]
        side = list(surveys).index(name) if len(surveys) > 1 else None
        yield _Drawn(
            f"The strongest kernels{of}, enlarged to the window that holds 95 % of the mass.",
            _galleries.zoomed_gallery(layers),
            side,
        )
        yield _Drawn(
            f"Principal kernels{of} and the share of the energy that each explains.",
            _galleries.principal_gallery(layers),
            side,
        )
        yield _Drawn(
            f"Variance over the kernels of a layer at each position{of}.", _galleries.variance_maps(layers), side
        )


def _maps_of(fields: Fields, surveys: Sequence[str], image: Tensor | None) -> Iterator[_Drawn]:
    for name, some in fields.items():
        side = surveys.index(name) if name in surveys and len(surveys) > 1 else None
        for field in some:
            if field.contribution.dim() == 3:  # its numbers are in the table of fields
                continue
            under = image if field.contribution.dim() == 2 else None
            of = f"{field.layer or 'the output'}{f' ({name})' if name else ''}"
            over = "" if under is None else ", over an input"
            caption = (
                f"Effective receptive field of {of} on inputs of {by_size(field.contribution.shape)} pixels{over}."
            )
            # In all its colours: with few, a photograph would come out in bands.
            yield _Drawn(caption, field.plot(image=under), side, colors=None)


def _spread(names: Sequence[str], count: int) -> list[str]:
    """At most `count` of the names, evenly spaced, with the first and the last."""
    if len(names) <= count:
        return list(names)
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def _data_uri(drawn: _Drawn) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    # Not by savefig, which draws every figure twice: once to lay it out and once to write it.
    drawn.figure.dpi = 100
    canvas = FigureCanvasAgg(drawn.figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    # With a palette a figure is less than half as large, and looks the same.
    image = image.quantize(drawn.colors) if drawn.colors else image
    image.save(buffer := io.BytesIO(), format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
