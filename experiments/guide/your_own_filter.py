"""
Your own filter
===============

A filter is a function of frequency. Here is one that the library does not have: every kernel is a Gaussian with a
learned amplitude and width, shifted by a learned distance: four parameters for each 2-d kernel, whatever the size of
the map.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nifconv import FrequencyFilter, bake, convert, count_parameters, footprint, frequency


class ShiftedGaussian(FrequencyFilter):
    """H(f) = a exp(-2 pi^2 s^2 |f|^2 - 2 pi i f . t), with f in cycles per sample, and s and t in pixels.

    H(-f) = conj H(f) holds at every f, as it must for a real kernel. On an even map, f = 1/2 and f = -1/2 are one
    point, where ``project_hermitian`` takes the mean of both.
    """

    def __init__(self, out_channels: int, in_channels: int, ndim: int = 2, **options: float) -> None:
        super().__init__(out_channels, in_channels, ndim, **options)
        kernels = (out_channels, in_channels)
        self.amplitude = nn.Parameter(torch.empty(kernels))
        self.width = nn.Parameter(torch.empty(kernels))
        self.shift = nn.Parameter(torch.empty(*kernels, ndim))
        self.reset_parameters()

    def _draw(self) -> None:
        nn.init.ones_(self.amplitude)
        nn.init.uniform_(self.width, 0.5, 2)
        nn.init.normal_(self.shift, std=2)
        # By Parseval, the gain is the norm of the taps; 16 pixels hold nearly all of these Gaussians.
        self._scale_(self.initial_gain / self.gain((16,) * self.ndim).square().mean().sqrt().item())

    def _scale_(self, factor: float) -> None:
        self.amplitude.mul_(factor)

    def forward(self, size: Sequence[int]) -> Tensor:
        f = frequency.grid(size, dtype=self.width.dtype, device=self.width.device)  # (*half, ndim)
        parameters = [p.unflatten(1, (-1, *[1] * self.ndim)) for p in (self.amplitude, self.width)]  # (out, in, 1, 1)
        amplitude, width = parameters
        phase = torch.einsum("...n,oin->oi...", f, self.shift)  # (out, in, *half)
        size_of_h = amplitude * torch.exp(-2 * (math.pi * width) ** 2 * f.square().sum(-1))
        spectrum = torch.polar(size_of_h.abs(), -2 * math.pi * phase) * size_of_h.sign()
        return frequency.project_hermitian(spectrum, size)


# %%
# It is a filter like any other: layers, ``convert``, the survey and ``bake`` take it.

torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
model = convert(net, filter=ShiftedGaussian).model
print(count_parameters(model))

# %%
# Its parameters have a meaning, and gradients reach them.

image = torch.randn(2, 3, 32, 32)
model(image).square().mean().backward()
shift = model.get_parameter("2.spatial.filter.shift")
print(f"{tuple(shift.shape)} shifts, one for each kernel and axis, with gradients: {shift.grad is not None}")

# %%
# The survey finds what was put in.

survey = footprint.survey(model.eval(), image)
survey.plot("kernels")

# %%
# The way back works too, with the smallest plain kernels within a tolerance of 1 %.

print(bake(model, image, tolerance=0.01).report)
