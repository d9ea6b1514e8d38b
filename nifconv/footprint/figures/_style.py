"""What all figures share. The colours are Okabe and Ito's, which colour-blind readers can tell apart, also in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nifconv.footprint._layer import LayerFootprint

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of one survey, or of several in turn."""
NULL_COLOR = "#8a8a8a"
COLOUR_QUANTILE = 0.98


def new_figure(layers: Sequence[object], *, width: float, height: float) -> Figure:
    """An empty figure for some layers or panels, in inches.

    Raises:
        ValueError: there is no layer to draw.
        ImportError: matplotlib is not installed.
    """
    if not layers:
        raise ValueError("the survey has no layer to draw: the model ran no spatial convolution on the example input")
    return blank(width, height)


def blank(width: float, height: float) -> Figure:
    """An empty figure, in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib; install it with: pip install 'nifconv[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def clean(axes: Axes) -> None:
    """A light grid and no frame on the sides without numbers."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def by_size(size: Sequence[int]) -> str:
    """`(56, 56) -> "56 x 56"`."""
    return " x ".join(map(str, size))


def short(name: str) -> str:
    """No more of a name than a title has room for, and no dollar sign, which would begin a formula."""
    shown = name if len(name) <= 24 else f"{name[:8]}..{name[-14:]}"
    return shown.replace("$", r"\$")


def strongest(layer: LayerFootprint, count: int) -> Tensor:
    """The `count` kernels of largest energy of a layer, `(count, *size)`, or all if it has fewer."""
    return layer.taps.flatten(0, 1)[by_energy(layer)[:count]]


def by_energy(layer: LayerFootprint) -> Tensor:
    """Numbers of the layer's kernels, that of largest energy first and those that are not finite last."""
    norms = layer.taps.flatten(0, 1).flatten(1).norm(dim=1)
    return norms.nan_to_num(-1, posinf=-1).argsort(descending=True)


def colour_limit(kernel: Tensor) -> float:
    """The weight that has the full colour, the same for both signs.

    The largest of a small kernel. Of a kernel with more than 225 taps the 98 % quantile: a single large tap would
    leave the rest of it white.
    """
    magnitude = kernel.abs().flatten().double().nan_to_num(0, posinf=0)
    limit = magnitude.max() if len(magnitude) <= 225 else magnitude.sort().values[int(COLOUR_QUANTILE * len(magnitude))]
    return limit.item() or magnitude.max().item() or 1.0


def plane(kernel: Tensor) -> Tensor:
    """A 3-d kernel's slice through the centre of its first axis; others as they are."""
    return kernel[kernel.shape[0] // 2] if kernel.dim() == 3 else kernel
