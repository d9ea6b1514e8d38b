"""Where the parameters of a model are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from torch import Tensor, nn

from nifconv.filters import FrequencyFilter


@dataclass(frozen=True)
class ParameterCount:
    """How many numbers a model is given by, counted twice: by whether they learn, and by what they do.

    learnable + frozen = spatial + pointwise + other. Tensors that several layers share count once.

    Attributes:
        learnable: parameters with `requires_grad`.
        frozen: parameters without, and the weights of frozen filters, which are buffers.
        spatial: of frequency filters, and weights of `nn.ConvNd` with more than one tap.
        pointwise: weights of 1x1 `nn.ConvNd`.
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
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    roles: dict[Tensor, str] = {}
    for module in model.modules():
        roles.update(_roles(module))
    for parameter in model.parameters():
        roles.setdefault(parameter, "other")
    counts = dict.fromkeys(("learnable", "frozen", "spatial", "pointwise", "other"), 0)
    for tensor, role in roles.items():
        if not nn.parameter.is_lazy(tensor):
            counts[role] += tensor.numel()
            counts["learnable" if tensor.requires_grad else "frozen"] += tensor.numel()
    return ParameterCount(**counts)


def _roles(module: nn.Module) -> Iterator[tuple[Tensor, str]]:
    if isinstance(module, FrequencyFilter):
        for tensor in (*module.parameters(), *map(module.get_buffer, module.frozen_names)):
            yield tensor, "spatial"
    if isinstance(module, nn.modules.conv._ConvNd):
        role = "pointwise" if max(module.kernel_size) == 1 else "spatial"
        # Not `module.weight`, which under a parametrization is computed and no parameter.
        yield from ((tensor, role) for name, tensor in module.named_parameters() if name != "bias")
