"""Small pictures of each layer as SVG: hundreds take a second, where matplotlib figures would take minutes."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint.figures._style import COLOR_MAP, COLORS, NULL_COLOR, color_limit, plane, strongest
from nifconv.footprint.measures._statistics import quantiles
from nifconv.frequency import resize_taps

# The template does not escape what comes from here: keep it to numbers and colours, without text from the model.

_PIXEL = 2.0  # screen units of one tap where all kernels have one scale
_DENSE = 8  # windows near the centre that a chart draws all of; about as many are drawn of the others
_CELL = 84.0  # screen units of a kernel that is enlarged


@dataclass(frozen=True)
class Gallery:
    """The strongest kernels of a layer, once at a scale that all layers share and once enlarged.

    Attributes:
        definitions: the picture of all of them, which both rows below show parts of.
        true, zoom: a small SVG for each kernel.
        true_width, true_height, zoom_height: size of each of these, in screen units.
        half, within: largest offset from the centre that `true` and `zoom` show, in pixels.
        cut: whether kernels are larger than `half`.
        count: number of kernels.
    """

    definitions: str
    true: str
    zoom: str
    true_width: float
    true_height: float
    zoom_height: float
    half: int
    within: int
    cut: bool
    count: int


def tile_pixels(layer: LayerFootprint) -> int:
    """Number of pixels of the picture of one kernel: of an odd square that it fits in, or of a line in 1-d."""
    size = layer.taps.shape[2:][-2:]  # of 3-d kernels the slice that is drawn
    return (2 * (max(size) // 2) + 1) ** len(size)


def gallery(layer: LayerFootprint, prefix: str, count: int, pixels: int) -> Gallery:
    """Draws the strongest kernels of a layer.

    Args:
        layer: a layer with 1 to 3 spatial axes.
        prefix: beginning of the ids, different for each gallery of a page.
        count: number of kernels to draw, if the layer has as many.
        pixels: the most pixels for one kernel; of a larger kernel only the centre is drawn.
    """
    shown = [plane(kernel).reshape(-1, kernel.shape[-1]) for kernel in strongest(layer, count)]  # 1-d: one row
    flat = layer.taps.dim() == 3
    reach = max(shown[0].shape) // 2
    half = min(reach, ((pixels if flat else math.isqrt(pixels)) - 1) // 2)
    side, rows = 2 * half + 1, 1 if flat else 2 * half + 1
    within = min(int(layer.values("size95").nan_to_num().quantile(0.9).item()) // 2, half)  # a few wide ones are cut
    limits = [color_limit(kernel) for kernel in shown]  # before the cut, which must not change the colours
    tiles = [resize_taps(k.double() / limit, (rows, side)) for k, limit in zip(shown, limits, strict=True)]
    data = base64.b64encode(png(torch.cat(tiles, dim=1))).decode()
    # One picture with a tile for each kernel, since a palette of its own would be larger than a small kernel.
    image = f'<image id="{prefix}" width="{side * len(tiles)}" height="{rows}" href="data:image/png;base64,{data}"/>'
    return Gallery(
        f'<svg width="0" height="0" class="defs" aria-hidden="true"><defs>{image}</defs></svg>',
        "".join(_window(prefix, half, half, i, flat) for i in range(len(tiles))),
        "".join(_window(prefix, half, within, i, flat) for i in range(len(tiles))),
        _PIXEL * side,
        _PIXEL * (side if not flat else 6),
        _CELL if not flat else _CELL / 4,
        half,
        within,
        half < reach,
        len(tiles),
    )


def mass_chart(layers: Mapping[int, LayerFootprint], *, several: bool, width: int = 420, height: int = 200) -> str:
    """Mass ratio against window side: median and band of the kernels, in front of the null distribution.

    Args:
        layers: layers by the side that they are on, which gives their colour.
        several: whether the page has more than one side.
        width, height: size of the chart in screen units.
    """
    last = max(layer.windows[-1] for layer in layers.values())
    left, bottom = 40, 34  # room for the labels of the axes; 8 units are left at the top and on the right

    def place(side: float, share: float) -> str:
        x = left + (width - left - 8) * side / (last + 1)
        return f"{x:.1f},{8 + (height - bottom - 8) * (1 - share):.1f}"

    parts = []
    for share in (0.0, 0.5, 1.0):
        start, end = place(0, share), place(last + 1, share)
        y = start.split(",")[1]
        parts.append(f'<path d="M{start}L{end}" class="grid"/>')
        parts.append(f'<text x="{left - 5}" y="{y}" dy="4" text-anchor="end">{100 * share:.0f} %</text>')
    step = max(2 * round(last / 10), 2)  # about five labels, on odd sides like the windows
    parts += [
        f'<text x="{place(side, 0).split(",")[0]}" y="{height - 18}" text-anchor="middle">{side}</text>'
        for side in range(1, last + 1, step)
    ]
    middle = (left + width) / 2
    parts.append(f'<text x="{middle}" y="{height - 3}" text-anchor="middle">side of the centred window, pixels</text>')
    for side, layer in layers.items():
        color = COLORS[side % len(COLORS)]
        parts.append(f'<g data-side="{side}">' if several else "<g>")
        if layer.null:  # first, since what comes later is drawn on top
            null_color = color if several else NULL_COLOR
            parts.append(_band(layer.windows, layer.null.mass_band, null_color, place, "null"))
        parts.append(_band(layer.windows, quantiles(layer.mass_ratio.flatten(0, 1)), color, place, "line"))
        parts.append("</g>")
    label = "Share of the absolute weight within a centred window, by the side of the window"
    frame = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="chart" role="img"'
    return f'<svg {frame} aria-label="{label}">{"".join(parts)}</svg>'


def png(shares: Tensor) -> bytes:
    """Values `(rows, columns)` in [-1, 1] as a PNG of that many pixels: red positive, blue negative, white zero.

    Raises:
        ImportError: matplotlib, which brings Pillow, is not installed.
    """
    import matplotlib as mpl
    from PIL import Image

    colors = mpl.colormaps[COLOR_MAP].resampled(127)  # an odd number, so that zero has a colour of its own
    scaled = torch.nan_to_num(shares).clamp(-1, 1)
    image = Image.fromarray((63 + (scaled * 63).round()).to(torch.uint8).numpy())  # 0 to 126, with 63 for zero
    # With a palette a page of hundreds of kernels is a quarter as large.
    image.putpalette(colors(range(127), bytes=True)[:, :3].tobytes())
    image.save(buffer := io.BytesIO(), format="png", optimize=True)
    return buffer.getvalue()


def _band(windows: Sequence[int], band: Tensor, color: str, place: Callable[[float, float], str], kind: str) -> str:
    if band.isnan().any():  # all kernels are zero
        return ""
    # Every window near the centre, where curves bend, and few of the hundred of a large map.
    step = max(math.ceil((len(windows) - _DENSE) / _DENSE), 1)
    chosen = sorted({*range(min(_DENSE, len(windows))), *range(_DENSE, len(windows), step), len(windows) - 1})
    sides, (low, median, high) = [windows[i] for i in chosen], band[:, chosen].tolist()
    upper = [place(side, share) for side, share in zip(sides, high, strict=True)]
    lower = [place(side, share) for side, share in zip(sides, low, strict=True)]
    line = " ".join(place(side, share) for side, share in zip(sides, median, strict=True))
    area = " ".join(upper + lower[::-1])  # to the right along the upper edge, back along the lower
    return (
        f'<polygon points="{area}" fill="{color}" class="band"/>'
        f'<polyline points="{line}" stroke="{color}" class="{kind}"/>'
    )


def _window(name: str, half: int, within: int, index: int, flat: bool) -> str:
    """The window of side 2 * within + 1 about the centre of a tile of side 2 * half + 1."""
    left, side = index * (2 * half + 1) + half - within, 2 * within + 1
    box = f"{left} 0 {side} 1" if flat else f"{left} {half - within} {side} {side}"
    stretch = ' preserveAspectRatio="none"' if flat else ""  # a 1-d kernel is a strip
    return f'<svg viewBox="{box}"{stretch}><use href="#{name}"/></svg>'
