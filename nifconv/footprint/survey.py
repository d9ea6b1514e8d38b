"""Which kernels a model applies, at the sizes it really runs at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nifconv import probe
from nifconv._validate import at_least_single, choice
from nifconv.conv import FrequencyConv
from nifconv.footprint.layer import LayerFootprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SURVEYED = (FrequencyConv, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Survey:
    """The kernels of a model, layer by layer in the order in which they ran.

    Attributes:
        layers: one entry for each layer and each map size it ran at.
        not_run: convolutions that the example input did not reach; nothing is known of their map sizes.
    """

    layers: tuple[LayerFootprint, ...]
    not_run: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data ready for JSON; every statistic is a median over the kernels of a layer."""
        return {"layers": [layer.to_dict() for layer in self.layers], "not_run": list(self.not_run)}

    def plot(self, kind: str = "mass") -> Figure:
        """A figure of the whole survey; needs matplotlib.

        Args:
            kind: "mass", mass ratio against window size; or "kernels", the strongest kernels of each layer.

        Raises:
            ValueError: `kind` is neither, or the survey has no layer.
            ImportError: matplotlib is not installed.
        """
        from nifconv.footprint import plots

        choice("kind", kind, ("mass", "kernels"))
        return plots.mass_curves(self.layers) if kind == "mass" else plots.kernel_gallery(self.layers)


def survey(model: nn.Module, example_input: probe.ExampleInput) -> Survey:
    """Runs the model once, in eval mode without gradients, and collects the kernels of its spatial convolutions.

    `FrequencyConv` layers are evaluated at the size of the map that reaches them; of `nn.ConvNd` layers the weights
    are taken. 1x1 convolutions have no extent and are left out, as are transposed ones.

    Args:
        model: any module. Its train/eval state is restored.
        example_input: the model's argument, a tuple or list of its positional arguments, or a mapping of its keyword
            arguments.

    Raises:
        TypeError: `model` is not a module, or `example_input` is none of these.
        Exception: whatever the model raises on the example input.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    convs = ((name, m) for name, m in model.named_modules() if isinstance(m, _SURVEYED))
    names: dict[nn.Module, str] = {m: name for name, m in convs if not _is_pointwise(m)}
    seen = probe.map_sizes(model, example_input, names)
    with probe.evaluating(model), torch.no_grad():
        layers = tuple(_footprint(names[module], module, size) for module, size in seen)
    run = {module for module, _ in seen}
    return Survey(layers, tuple(name for module, name in names.items() if module not in run))


def _footprint(name: str, layer: nn.Module, size: tuple[int, ...]) -> LayerFootprint:
    taps = layer.filter.taps(layer.applied_size(size)) if isinstance(layer, FrequencyConv) else layer.weight
    assert isinstance(taps, Tensor)  # noqa: S101 - for the type checker: `weight` may be anything to it
    # A copy, since training goes on to change the weights in place.
    kept = taps.detach().to("cpu", at_least_single(taps.dtype), copy=True)
    dilated = _dilate(kept, layer.dilation)  # type: ignore[arg-type]
    return LayerFootprint(name, type(layer).__name__, size, dilated)


def _dilate(taps: Tensor, dilation: Sequence[int]) -> Tensor:
    if max(dilation) == 1:
        return taps
    kernel_size = taps.shape[2:]
    # The centre, at k // 2, has to come to rest at half the dilated size: for an even k that takes d - 1 zeros behind.
    size = [d * k if k % 2 == 0 else d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    dilated = taps.new_zeros(*taps.shape[:2], *size)
    steps = (slice(0, d * (k - 1) + 1, d) for d, k in zip(dilation, kernel_size, strict=True))
    places = (slice(None), slice(None), *steps)
    dilated[places] = taps
    return dilated


def _is_pointwise(layer: nn.Module) -> bool:
    kernel_size = layer.kernel_size
    return isinstance(kernel_size, tuple) and max(kernel_size) == 1
