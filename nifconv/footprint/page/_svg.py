"""Small pictures of each layer as SVG: hundreds take a second, where matplotlib figures would take minutes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint.figures._style import COLOR_MAP, COLORS, NULL_COLOR, color_limit, plane, strongest
from nifconv.footprint.measures._statistics import quantiles

# The template does not escape what comes from here: keep it to numbers and colours, without text from the model.

_SHOWN = 8
_PIXEL = 2.0  # screen units of one tap where all kernels have one scale
_CELL = 84.0  # screen units of a kernel that is enlarged


def gallery(layer: LayerFootprint, prefix: str) -> str:
    """The strongest kernels of a layer, once at a scale that all layers share and once enlarged.

    Args:
        layer: a layer with 1 to 3 spatial axes.
        prefix: beginning of the ids, different for each gallery of a page.
    """
    kernels = [plane(kernel).reshape(-1, kernel.shape[-1]) for kernel in strongest(layer, _SHOWN)]  # 1-d: one row
    half = max(max(kernel.shape) // 2 for kernel in kernels)
    within = int(layer.values("size95").nan_to_num().quantile(0.9).item()) // 2  # a few wide kernels are cut
    images = "".join(_image(kernel, f"{prefix}-{index}") for index, kernel in enumerate(kernels))
    true = "".join(_cell(kernel, f"{prefix}-{i}", half, 2 * half * _PIXEL + _PIXEL) for i, kernel in enumerate(kernels))
    zoom = "".join(_cell(kernel, f"{prefix}-{i}", min(within, half), _CELL) for i, kernel in enumerate(kernels))
    # Each picture is stored once and used at both scales.
    definitions = f'<svg width="0" height="0" class="defs"><defs>{images}</defs></svg>'
    return f'{definitions}<div class="kernels">{true}</div><div class="kernels">{zoom}</div>'


def mass_chart(layers: Sequence[tuple[int, LayerFootprint]], width: int = 420, height: int = 200) -> str:
    """Mass ratio against window side: median and band of the kernels, in front of the null distribution.

    Args:
        layers: layers, each with the index of its colour.
        width, height: size of the chart in screen units.
    """
    last = max(layer.windows[-1] for _, layer in layers)
    left, bottom = 40, 34  # room for the labels of the axes; 8 units are left at the top and on the right

    def place(side: float, share: float) -> str:
        x = left + (width - left - 8) * side / (last + 1)
        return f"{x:.1f},{8 + (height - bottom - 8) * (1 - share):.1f}"

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        start, end = place(0, share), place(last + 1, share)
        y = start.split(",")[1]
        parts.append(f'<path d="M{start}L{end}" class="grid"/>')
        parts.append(f'<text x="{left - 5}" y="{y}" dy="4" text-anchor="end">{100 * share:.0f} %</text>')
    step = max(2 * round(last / 14), 2)  # about seven labels, on odd sides like the windows
    parts += [
        f'<text x="{place(side, 0).split(",")[0]}" y="{height - 18}" text-anchor="middle">{side}</text>'
        for side in range(1, last + 1, step)
    ]
    middle = (left + width) / 2
    parts.append(f'<text x="{middle}" y="{height - 3}" text-anchor="middle">side of the centred window, pixels</text>')
    for index, layer in layers:
        color = COLORS[index % len(COLORS)]
        if layer.null:  # first, since what comes later is drawn on top
            null_color = NULL_COLOR if len(layers) == 1 else color
            parts.append(_band(layer.windows, layer.null.mass_band, null_color, place, "null"))
        parts.append(_band(layer.windows, quantiles(layer.mass_ratio.flatten(0, 1)), color, place, "line"))
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="chart">{"".join(parts)}</svg>'


def png(kernel: Tensor) -> bytes:
    """A kernel `(rows, columns)` as a PNG of that many pixels: red positive, blue negative, white zero.

    Raises:
        ImportError: matplotlib, which brings Pillow, is not installed.
    """
    import matplotlib as mpl
    from PIL import Image

    colors = mpl.colormaps[COLOR_MAP].resampled(255)  # an odd number, so that zero has a colour of its own
    scaled = torch.nan_to_num(kernel.double() / color_limit(kernel)).clamp(-1, 1)
    image = Image.fromarray((127 + (scaled * 127).round()).to(torch.uint8).numpy())  # 0 to 254, with 127 for zero
    # With a palette a page of hundreds of kernels is a quarter as large.
    image.putpalette(colors(range(255), bytes=True)[:, :3].tobytes())
    image.save(buffer := io.BytesIO(), format="png", optimize=True)
    return buffer.getvalue()


def _band(windows: Sequence[int], band: Tensor, color: str, place: Callable[[float, float], str], kind: str) -> str:
    if band.isnan().any():  # all kernels are zero
        return ""
    low, median, high = band.tolist()
    upper = [place(side, share) for side, share in zip(windows, high, strict=True)]
    lower = [place(side, share) for side, share in zip(windows, low, strict=True)]
    line = " ".join(place(side, share) for side, share in zip(windows, median, strict=True))
    area = " ".join(upper + lower[::-1])  # to the right along the upper edge, back along the lower
    return (
        f'<polygon points="{area}" fill="{color}" class="band"/>'
        f'<polyline points="{line}" stroke="{color}" class="{kind}"/>'
    )


def _image(kernel: Tensor, name: str) -> str:
    rows, columns = kernel.shape
    data = base64.b64encode(png(kernel)).decode()
    # Coordinates are offsets from the centre, so that a viewBox can cut out a centred window.
    return (
        f'<image id="{name}" x="{-(columns // 2) - 0.5}" y="{-(rows // 2) - 0.5}" width="{columns}" height="{rows}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    )


def _cell(kernel: Tensor, name: str, half: int, length: float) -> str:
    """The window of side 2 * half + 1 about the centre, with the offsets of its ends below."""
    side = 2 * half + 1
    height = length * (1 if kernel.shape[0] > 1 else 0.25)  # a 1-d kernel is a strip
    flat = f"{-half - 0.5} {-half - 0.5 if kernel.shape[0] > 1 else -side / 8} {side} {side * height / length}"
    picture = f'<svg viewBox="{flat}" width="{length}" height="{height}" preserveAspectRatio="none">'
    ends = f"<span>{-half}</span><span>{half}</span>" if half > 0 else "<span></span><span>0</span><span></span>"
    # At least as wide as the two numbers below.
    return f'<figure style="width:{max(length, 26):.0f}px">{picture}<use href="#{name}"/></svg><p>{ends}</p></figure>'
