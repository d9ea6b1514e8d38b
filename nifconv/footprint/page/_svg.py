"""Small pictures for the report, without matplotlib: hundreds of layers are drawn in a second.

Everything here is made of numbers; no text of the model enters, so the markup is safe as it is.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nifconv.footprint._layer import LayerFootprint, quantiles
from nifconv.footprint.figures._style import COLORS, NULL_COLOR, colour_limit, plane, strongest

_SHOWN = 8
_PIXEL = 2.0
"""Screen units of one tap where all kernels have one scale."""
_CELL = 84.0
# Blue through white to red, in steps of equal lightness for both signs (ColorBrewer RdBu).
_ANCHORS = (
    "053061",
    "2166ac",
    "4393c3",
    "92c5de",
    "d1e5f0",
    "f7f7f7",
    "fddbc7",
    "f4a582",
    "d6604d",
    "b2182b",
    "67001f",
)


def gallery(layer: LayerFootprint, prefix: str) -> str:
    """The strongest kernels of a layer, once at one scale for all layers and once enlarged.

    Args:
        layer: of any dimension.
        prefix: of the ids, different for each gallery of a page.
    """
    kernels = [plane(kernel).reshape(-1, kernel.shape[-1]) for kernel in strongest(layer, _SHOWN)]
    half = max(max(kernel.shape) // 2 for kernel in kernels)
    within = int(layer.values("size95").nan_to_num().quantile(0.9).item()) // 2
    images = "".join(_image(kernel, f"{prefix}-{index}") for index, kernel in enumerate(kernels))
    true = "".join(_cell(kernel, f"{prefix}-{i}", half, 2 * half * _PIXEL + _PIXEL) for i, kernel in enumerate(kernels))
    zoom = "".join(_cell(kernel, f"{prefix}-{i}", min(within, half), _CELL) for i, kernel in enumerate(kernels))
    definitions = f'<svg width="0" height="0" class="defs"><defs>{images}</defs></svg>'
    return f'{definitions}<div class="kernels">{true}</div><div class="kernels">{zoom}</div>'


def mass_chart(layers: Sequence[tuple[int, LayerFootprint]], width: int = 420, height: int = 200) -> str:
    """Mass ratio against window side: median and band of the kernels over the band of fresh draws.

    Args:
        layers: each with the number of its colour.
        width, height: in screen units.
    """
    last = max(layer.windows[-1] for _, layer in layers)
    left, bottom = 40, 34

    def place(side: float, share: float) -> str:
        x = left + (width - left - 8) * side / (last + 1)
        return f"{x:.1f},{8 + (height - bottom - 8) * (1 - share):.1f}"

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        start, end = place(0, share), place(last + 1, share)
        y = start.split(",")[1]
        parts.append(f'<path d="M{start}L{end}" class="grid"/>')
        parts.append(f'<text x="{left - 5}" y="{y}" dy="4" text-anchor="end">{100 * share:.0f} %</text>')
    step = max(2 * round(last / 14), 2)
    parts += [
        f'<text x="{place(side, 0).split(",")[0]}" y="{height - 18}" text-anchor="middle">{side}</text>'
        for side in range(1, last + 1, step)
    ]
    middle = (left + width) / 2
    parts.append(f'<text x="{middle}" y="{height - 3}" text-anchor="middle">side of the centred window, pixels</text>')
    for index, layer in layers:
        color = COLORS[index % len(COLORS)]
        if layer.null:
            null_color = NULL_COLOR if len(layers) == 1 else color
            parts.append(_band(layer.windows, layer.null.mass_band, null_color, place, "null"))
        parts.append(_band(layer.windows, quantiles(layer.mass_ratio.flatten(0, 1)), color, place, "line"))
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="chart">{"".join(parts)}</svg>'


def png(kernel: Tensor) -> bytes:
    """A kernel `(rows, columns)` as a PNG of that many pixels: red positive, blue negative, white zero."""
    limit = colour_limit(kernel)
    scaled = torch.nan_to_num(kernel.double() / limit).clamp(-1, 1)
    index = (127 + (scaled * 127).round()).to(torch.uint8)
    rows, columns = index.shape
    lines = torch.cat([index.new_zeros(rows, 1), index], dim=1)  # each line begins with its filter, none
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    body = zlib.compress(lines.numpy().tobytes(), 9)
    chunks = ((b"IHDR", header), (b"PLTE", _palette()), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _band(windows: Sequence[int], band: Tensor, color: str, place: Callable[[float, float], str], kind: str) -> str:
    if band.isnan().any():
        return ""
    low, median, high = band.tolist()
    upper = [place(side, share) for side, share in zip(windows, high, strict=True)]
    lower = [place(side, share) for side, share in zip(windows, low, strict=True)]
    line = " ".join(place(side, share) for side, share in zip(windows, median, strict=True))
    area = " ".join(upper + lower[::-1])
    return (
        f'<polygon points="{area}" fill="{color}" class="band"/>'
        f'<polyline points="{line}" stroke="{color}" class="{kind}"/>'
    )


def _image(kernel: Tensor, name: str) -> str:
    rows, columns = kernel.shape
    data = base64.b64encode(png(kernel)).decode()
    return (
        f'<image id="{name}" x="{-(columns // 2) - 0.5}" y="{-(rows // 2) - 0.5}" width="{columns}" height="{rows}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    )


def _cell(kernel: Tensor, name: str, half: int, length: float) -> str:
    """The window of side 2 * half + 1 about the centre, with the offsets of its ends below."""
    side = 2 * half + 1
    height = length * (1 if kernel.shape[0] > 1 else 0.25)
    flat = f"{-half - 0.5} {-half - 0.5 if kernel.shape[0] > 1 else -side / 8} {side} {side * height / length}"
    picture = f'<svg viewBox="{flat}" width="{length}" height="{height}" preserveAspectRatio="none">'
    ends = f"<span>{-half}</span><span>{half}</span>" if half > 0 else "<span></span><span>0</span><span></span>"
    return f'<figure style="width:{max(length, 26):.0f}px">{picture}<use href="#{name}"/></svg><p>{ends}</p></figure>'


def _palette() -> bytes:
    anchors = torch.tensor([[int(color[i : i + 2], 16) for i in (0, 2, 4)] for color in _ANCHORS], dtype=torch.float64)
    place = torch.linspace(0, len(_ANCHORS) - 1, 255, dtype=torch.float64)
    below = place.floor().long().clamp_max(len(_ANCHORS) - 2)
    colors = torch.lerp(anchors[below], anchors[below + 1], (place - below).unsqueeze(-1))
    return bytes(colors.round().to(torch.uint8).flatten().tolist())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
