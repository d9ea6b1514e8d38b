"""The convolution as a direct sum over taps, by PyTorch's own layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from nifconv._support.arguments import at_least_single
from nifconv._support.precision import full_precision

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def sum_over_taps(
    x: Tensor,
    taps: Tensor,
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
    padding_mode: str,
) -> Tensor:
    """`torch.nn.functional.convNd` computed in float32 at least, as a transform is; the result has the dtype of x."""
    wide = at_least_single(x.dtype, taps.dtype)
    lead = [before for before, _ in padding]
    uneven = any(before != after for before, after in padding)
    pads = [p for pad in reversed(padding) for p in pad]  # F.pad takes the last axis first
    # Padding by nothing is left out, since exporters would put it into the graph. convNd itself pads only with zeros,
    # and equally on both sides.
    if any(pads) and (padding_mode != "zeros" or uneven or _is_unsafe(x, taps, dilation)):
        mode = "constant" if padding_mode == "zeros" else padding_mode
        x, lead = F.pad(x, pads, mode=mode), [0] * len(padding)
    with full_precision(x.device):
        y: Tensor = CONVS[len(padding)](x.to(wide), taps.to(wide), None, stride, lead, dilation, groups)
    return y.to(x.dtype)


def _is_unsafe(x: Tensor, taps: Tensor, dilation: Sequence[int]) -> bool:
    """Whether a kernel is as long as the map on some axis, so that the zeros must be there before the convolution.

    In torch 2.15 on CPUs the weight gradient of a kernel about twice as long as its map corrupts the heap:
    (16, 3, 31, 7) taps with padding (15, 3) on 16x4 pixels end the process. On a padded map, which is longer than the
    kernel, they do not. Look at this again when torch ships a oneDNN in which that case runs.
    """
    spans = (d * (k - 1) + 1 for d, k in zip(dilation, taps.shape[2:], strict=True))
    return any(span >= n for span, n in zip(spans, x.shape[2:], strict=True))


def pointwise(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """A 1x1 convolution with a weight `(out_channels, in_channels // groups)`; operands of one dtype."""
    y: Tensor = CONVS[x.dim() - 2](x, weight.view(*weight.shape, *(1,) * (x.dim() - 2)), groups=groups)
    return y
