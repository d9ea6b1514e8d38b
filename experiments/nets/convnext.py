"""A ConvNeXt for small images: Liu et al. 2022, with three stages and a stem of smaller patches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import Permute, StochasticDepth

_MLP = 4
_LAYER_SCALE = 1e-6


def convnext(
    width: int = 32,
    depths: Sequence[int] = (2, 2, 2),
    *,
    kernel_size: int = 7,
    patch: int = 2,
    drop_path: float = 0.0,
    classes: int = 10,
    in_channels: int = 3,
) -> nn.Sequential:
    """ConvNeXt for images of 32 to 64 pixels, whose maps have 1/2, 1/4 and 1/8 of their side.

    Args:
        width: channels of the first stage; each further stage has twice as many.
        depths: number of blocks in each stage.
        kernel_size: kernel size of the depthwise convolutions, odd.
        patch: side of the stem's patches, which do not overlap.
        drop_path: probability of dropping the last block in training (stochastic depth); smaller for earlier ones.
        classes: number of logits.
        in_channels: channels of the images.

    Raises:
        ValueError: `kernel_size` is even.

    >>> import torch
    >>> convnext(8, (1, 1, 1))(torch.randn(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size} must be odd, so that maps keep their size; use {kernel_size + 1}")
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Conv2d(in_channels, width, patch, stride=patch), stem_norm=LayerNorm2d(width)
    )
    blocks = sum(depths)
    channels, built = width, 0
    for stage, depth in enumerate(depths, start=1):
        if stage > 1:
            layers[f"stage{stage}_norm"] = LayerNorm2d(channels)
            layers[f"stage{stage}_down"] = nn.Conv2d(channels, 2 * channels, 2, stride=2)
            channels *= 2
        for block in range(1, depth + 1):
            drop = drop_path * built / max(blocks - 1, 1)
            layers[f"stage{stage}_block{block}"] = Block(channels, kernel_size, drop)
            built += 1
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["norm"] = nn.LayerNorm(channels)
    layers["head"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)


class Block(nn.Module):
    """Depthwise convolution, LayerNorm and a perceptron on each pixel, scaled, and added to the input."""

    def __init__(self, channels: int, kernel_size: int, drop: float) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.mix = nn.Sequential(
            Permute([0, 2, 3, 1]),
            nn.LayerNorm(channels, eps=1e-6),
            nn.Linear(channels, _MLP * channels),
            nn.GELU(),
            nn.Linear(_MLP * channels, channels),
        )
        self.scale = nn.Parameter(torch.full((channels,), _LAYER_SCALE))
        self.drop = StochasticDepth(drop, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale * self.mix(self.spatial(x))
        return x + self.drop(y.permute(0, 3, 1, 2))
