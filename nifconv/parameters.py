"""How many parameters a model has, and what they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from torch import Tensor, nn

from nifconv._support.arguments import torch_module
from nifconv.filters import FrequencyFilter
from nifconv.layers import as_convolution


@dataclass(frozen=True)
class ParameterCount:
    """The parameters of a model, counted in two ways: by whether they are trained, and by what they do.

    learnable + frozen = spatial + pointwise + other. A tensor that several layers share counts once.

    Attributes:
        learnable: parameters with `requires_grad`.
        frozen: parameters without `requires_grad`, and the weights of frozen filters, which are buffers.
        spatial: the weights of frequency filters, and of convolutions with more than one tap.
        pointwise: the weights of 1x1 convolutions.
        other: everything else, such as biases, norms and linear layers.
    """

    learnable: int
    frozen: int
    spatial: int
    pointwise: int
    other: int

    def to_dict(self) -> dict[str, int]:
        """Plain data, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:,}" for name, value in self.to_dict().items())


def count_parameters(model: nn.Module) -> ParameterCount:
    """Counts the parameters of a model by role; see `ParameterCount`.

    Raises:
        TypeError: `model` is not a module.

    >>> from nifconv import FrequencyConv2d, SpatialFilter, frozen
    >>> print(count_parameters(FrequencyConv2d(8, 8, 3, groups=8, filter=frozen(SpatialFilter, seed=0))))
    learnable 8, frozen 72, spatial 72, pointwise 0, other 8
    """
    torch_module("model", model)
    roles: dict[Tensor, str] = {}  # tensors compare by identity here, so that a shared one counts once
    for module in model.modules():
        roles.update(_roles(module))  # a filter comes after its layer and has the last word
    for parameter in model.parameters():
        roles.setdefault(parameter, "other")
    counts = dict.fromkeys(("learnable", "frozen", "spatial", "pointwise", "other"), 0)
    for tensor, role in roles.items():
        if not nn.parameter.is_lazy(tensor):  # it has no shape before the first call
            counts[role] += tensor.numel()
            counts["learnable" if tensor.requires_grad else "frozen"] += tensor.numel()
    return ParameterCount(**counts)


def _roles(module: nn.Module) -> Iterator[tuple[Tensor, str]]:
    if isinstance(module, FrequencyFilter):
        for tensor in (*module.parameters(), *map(module.get_buffer, module.frozen_names)):  # frozen ones are buffers
            yield tensor, "spatial"
    convolution = as_convolution(module)
    if convolution is not None:
        role = "pointwise" if convolution.is_pointwise else "spatial"
        yield from ((weight, role) for weight in convolution.weights())
