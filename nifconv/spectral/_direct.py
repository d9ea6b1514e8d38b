"""The convolution as a direct sum over taps, by PyTorch's own layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from nifconv._support.arguments import at_least_single
from nifconv._support.precision import full_precision

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def conv(
    x: Tensor,
    taps: Tensor,
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
    padding_mode: str,
) -> Tensor:
    """`torch.nn.functional.convNd` in the precision of a transform: float32 at least, the dtype of x out."""
    wide = at_least_single(x.dtype, taps.dtype)
    lead = [before for before, _ in padding]
    if padding_mode != "zeros" or any(before != after for before, after in padding):
        mode = "constant" if padding_mode == "zeros" else padding_mode
        x, lead = F.pad(x, [p for pad in reversed(padding) for p in pad], mode=mode), [0] * len(padding)
    with full_precision(x.device):
        y: Tensor = CONVS[len(padding)](x.to(wide), taps.to(wide), None, stride, lead, dilation, groups)
    return y.to(x.dtype)


def pointwise(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """A 1x1 convolution with a weight `(out_channels, in_channels // groups)`; operands of one dtype."""
    y: Tensor = CONVS[x.dim() - 2](x, weight.view(*weight.shape, *(1,) * (x.dim() - 2)), groups=groups)
    return y
