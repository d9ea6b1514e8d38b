"""A penalty on kernel weights that grows with their distance from the centre."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nifconv import frequency
from nifconv._support.arguments import at_least_single, choice, torch_module
from nifconv.layers import Convolution, spatial_convolutions

Size = int | Sequence[int]

_PROFILES: dict[str, Callable[[Tensor], Tensor]] = {
    "quadratic": torch.square,
    "linear": lambda distance: distance,
    "uniform": torch.ones_like,
    "inverted": lambda distance: distance.max().square() - distance.square(),  # r_max is the kernel's farthest tap
}


def locality_penalty(
    model: nn.Module, profile: str = "quadratic", *, size: Size | Mapping[str, Size] | None = None
) -> Tensor:
    r"""Sum over all spatial kernels of p(|n|) w[n]^2, with |n| the distance of a tap from the centre in pixels.

    It covers frequency layers and `nn.ConvNd` with more than one tap, but neither frozen filters nor weights that do
    not require gradients. Source: the locality-promoting regularisation of Schneider 2020.

    The quadratic profile is smoothness in frequency: for each axis a, and the trigonometric polynomial
    H(f) = sum_n w[n] exp(2 pi i f . n) through the taps,

        4 pi^2 sum_n n_a^2 w[n]^2 = mean over the S frequencies of the grid of |dH/df_a|^2,

    exactly, since the derivative has the taps 2 pi i n_a w[n] (Parseval).

    Args:
        model: any module.
        profile: p(r) = r^2 ("quadratic"), r ("linear"), 1 ("uniform": plain L2), or r_max^2 - r^2 ("inverted", the
            control, which favours the rim).
        size: map sizes for kernels as large as the map: one for all layers, or by layer name, such as
            `{layer.name: layer.map_size for layer in footprint.survey(model, x).layers}`. Needed only for those.

    Returns:
        A scalar, in float32 at least, zero if the model has no such kernel.

    Raises:
        TypeError: `model` is not a module.
        ValueError: `profile` is unknown, or `size` gives no map size for a kernel as large as the map.
    """
    torch_module("model", model)
    weigh = _PROFILES[choice("profile", profile, tuple(_PROFILES))]
    penalty = torch.zeros(())
    for name, module, convolution in spatial_convolutions(model):
        # The weights are asked, not the kernels, which never require gradients under `torch.no_grad`.
        if not any(weight.requires_grad for weight in convolution.weights()):
            continue
        taps = convolution.kernels(_map_size(name, module, convolution, size))
        taps = taps.to(at_least_single(taps.dtype))  # squared distances on a large map overflow float16
        spacing = torch.tensor(convolution.dilation, dtype=torch.float64, device=taps.device)
        offsets = frequency.offsets(taps.shape[2:], device=taps.device) * spacing  # (*taps, ndim), in pixels
        weights = weigh(offsets.norm(dim=-1)).to(taps.dtype)
        # Layers may be on different devices; the sum moves along, and the gradient back.
        penalty = penalty.to(taps.device) + (taps.square() * weights).sum()
    return penalty


def _map_size(
    name: str, module: nn.Module, convolution: Convolution, size: Size | Mapping[str, Size] | None
) -> Size | None:
    given = size.get(name) if isinstance(size, Mapping) else size
    if given is None and convolution.kernel_size is None:
        raise ValueError(
            f"size={size} gives no map size for {name or type(module).__name__!r}, whose kernels are as large as "
            "the map; give one size for all layers, or sizes by layer name, which footprint.survey finds"
        )
    return given
