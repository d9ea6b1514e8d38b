"""The net, the penalties on its kernels, and where the weight of these kernels is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from experiments.tasks.handwritten import CLASSES, SIDE
from nifconv import footprint, locality_penalty

DEPTH = 4


def build(kernel_size: int, width: int) -> nn.Sequential:
    """Four dense convolutions with BatchNorm and ReLU, max pooling after the first, global average pooling, linear."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index in range(DEPTH):
        channels = width if index else 1
        layers[f"conv{index}"] = nn.Conv2d(channels, width, kernel_size, padding="same", bias=False)
        layers[f"norm{index}"] = nn.BatchNorm2d(width)
        layers[f"relu{index}"] = nn.ReLU(inplace=True)
        if index == 0:
            layers["pool"] = nn.MaxPool2d(2)
    layers["mean"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(width, CLASSES)
    return nn.Sequential(layers)


@dataclass(frozen=True)
class Locality:
    """The penalty: strength * `locality_penalty` of a net, divided by the mean of its profile over the window.

    Divided in this way, every profile costs the same on flat kernels, and "uniform" is strength * sum of w^2.

    Attributes:
        profile: one of those of `locality_penalty`.
        strength: factor on the penalty.
        kernel_size: kernel size of all layers.
    """

    profile: str
    strength: float
    kernel_size: int

    def __call__(self, net: nn.Module) -> Tensor:
        return locality_penalty(net, self.profile) * (self.strength / mean_weight(self.profile, self.kernel_size))


@cache
def mean_weight(profile: str, kernel_size: int) -> float:
    """What `locality_penalty` multiplies a squared weight by, mean over the window."""
    ones = nn.Conv2d(1, 1, kernel_size, bias=False)
    nn.init.ones_(ones.weight)
    return locality_penalty(ones, profile).item() / kernel_size**2


def centre_side(kernel_size: int) -> int:
    """Side of the window that counts as the centre of a kernel: odd, about half as wide."""
    return 2 * (kernel_size // 4) + 1


def squared_kernels(net: nn.Module) -> list[Tensor]:
    """The squared weights of each layer, mean over its kernels, `(1, 1, k, k)`."""
    layers = footprint.survey(net, torch.zeros(1, 1, SIDE, SIDE)).layers
    return [layer.taps.detach().double().square().mean((0, 1), keepdim=True) for layer in layers]


def centre_shares(squared: list[Tensor]) -> list[float]:
    """The share of each layer's squared weight that lies within the centre."""
    return [footprint.mass_ratio(one)[0, 0, one.shape[-1] // 4].item() for one in squared]


def by_distance(squared: list[Tensor]) -> list[float]:
    """Mean squared weight at a distance of 0, 1, 2, ... pixels over that of the whole kernel, mean over layers."""
    return torch.cat([footprint.radial_profile(one)[0] for one in squared]).mean(0).tolist()
