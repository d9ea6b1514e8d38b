"""What all figures share: palette, axes, and the scale and order of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from nifconv.footprint._layer import LayerFootprint
from nifconv.footprint._text import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, the strongest first: they can be told apart by colour-blind readers, and in black and white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
NULL_COLOR = "#8a8a8a"
COLOR_MAP = "RdBu_r"  # blue is negative, white zero, red positive
_COLOR_QUANTILE = 0.98


def new_figure(layers: Sequence[object], *, width: float, height: float) -> Figure:
    """An empty figure for some layers or panels, in inches.

    Raises:
        ValueError: there is no layer.
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
        # Not pyplot, which would need a display and keep every figure until it is closed.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib; install it with: pip install 'nifconv[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def tidy(axes: Axes) -> None:
    """A light grid, and a frame on two sides only."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def title(name: str) -> str:
    """As much of a name as a title has room for."""
    return short(name).replace("$", r"\$")  # a dollar sign would begin a formula


def strongest(layer: LayerFootprint, count: int) -> Tensor:
    """The `count` kernels of largest energy of a layer, `(count, *size)`, or all if it has fewer."""
    return layer.taps.flatten(0, 1)[by_energy(layer)[:count]]


def by_energy(layer: LayerFootprint) -> Tensor:
    """Indices of the layer's kernels by falling energy; those that are not finite come last."""
    norms = layer.taps.flatten(0, 1).flatten(1).norm(dim=1)  # (kernels,)
    return norms.nan_to_num(-1, posinf=-1).argsort(descending=True)  # -1 is below all norms


def color_limit(kernel: Tensor) -> float:
    """The absolute weight that is drawn in full colour: the largest, or in more than 225 taps the 98 % quantile."""
    magnitude = kernel.abs().flatten().double().nan_to_num(0, posinf=0)
    # In a large kernel one large tap, often the centre, would leave all others white.
    limit = magnitude.max() if len(magnitude) <= 225 else magnitude.sort().values[int(_COLOR_QUANTILE * len(magnitude))]
    return limit.item() or magnitude.max().item() or 1.0  # the quantile of a local kernel may be 0


def plane(kernel: Tensor) -> Tensor:
    """The slice of a 3-d kernel through the centre of its first axis; other kernels unchanged."""
    return kernel[kernel.shape[0] // 2] if kernel.dim() == 3 else kernel
