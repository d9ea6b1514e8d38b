"""The published untrained filter and the published window, rebuilt after the published code without this library.

Source: Grabinski, Keuper & Keuper 2024 and the notebook of kernel mass ratios that goes with it. An MLP with PyTorch's
default initialisation for the real part of the spectrum and one for the imaginary part, on integer frequencies
-S/2 .. S/2 - 1 of the whole plane; the kernel is the real part of the inverse transform. Its spectrum is not put back
into the order of an FFT first, which multiplies the kernel by (-1)^(x + y): seen in pictures, but not in masses.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

HIDDEN = {"niff_big": (16, 128, 32), "niff_small": (8, 4)}
LABELS = (3, 5, 7, 9, 11, 13)
TRAINED = {
    1: (56, (0.37, 0.61, 0.70, 0.74, 0.78, 0.79)),
    2: (56, (0.24, 0.44, 0.54, 0.62, 0.67, 0.71)),
    3: (28, (None, 0.41, 0.52, 0.61, 0.67, 0.72)),
    4: (14, (0.25, 0.43, 0.60, 0.72, 0.83, 0.92)),
}
"""By stage of the published ResNet-50 trained on ImageNet: the grid of its curve, and the mass at each of `LABELS`.

Read from the authors' figure, to within 0.02; None where the curve cannot be read.
"""


def kernels(hidden: tuple[int, ...], channels: int, size: int) -> Tensor:
    """Untrained kernels on a map of `size` x `size`, `(channels, 1, size, size)`, centred at `size // 2`."""
    axis = torch.arange(size) - size / 2
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    frequencies = torch.stack([columns, rows], dim=-1)
    with torch.no_grad():
        real, imag = (_mlp((2, *hidden, channels))(frequencies).movedim(-1, 0) for _ in range(2))
    return torch.fft.ifftshift(torch.fft.ifft2(torch.complex(real, imag)), dim=(-2, -1)).real.unsqueeze(1)


def labelled_mass(taps: Tensor, label: int) -> Tensor:
    """What the notebook plots at a label: the mass within `label - 1` pixels a side, from -i to i - 1 about the centre.

    Label 9 is a window of 8 x 8 that reaches one pixel farther up and left than down and right.
    """
    half = label // 2
    inside = taps.abs()
    for axis in (-2, -1):
        inside = inside.narrow(axis, taps.shape[axis] // 2 - half, 2 * half)
    return inside.sum((-2, -1)) / taps.abs().sum((-2, -1))


def _mlp(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers[:-1])
