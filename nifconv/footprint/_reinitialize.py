"""Re-initialised copies of a layer or of a whole model, whose kernels make up the null distribution."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import parametrize

from nifconv._support.randomness import seeded
from nifconv.filters import FrequencyFilter
from nifconv.layers import CONVS

_PARAMETRIZED = (
    "{kind} is under a parametrisation and cannot be re-initialised for null=...; remove it with "
    "torch.nn.utils.parametrize.remove_parametrizations, or survey with null=0"
)


def reinitialized(module: nn.Module, seed: int) -> nn.Module:
    """A copy on the CPU, in float32, re-initialised by the module's own method; frozen filters get another seed.

    A parametrised `nn.ConvNd` is re-initialised without its parametrisation.

    Raises:
        ValueError: another module has a parametrisation.
    """
    # float32 on the CPU: the draws depend neither on the device nor on the precision of the model.
    with seeded(seed):  # `_unparametrized` builds a layer, which initialises itself
        copied = _unparametrized(module) if parametrize.is_parametrized(module) else copy.deepcopy(module).cpu().float()
    # Under a parametrisation the weight is computed; `reset_parameters` would write to the result and change nothing.
    if any(parametrize.is_parametrized(part) for part in copied.modules()):
        raise ValueError(_PARAMETRIZED.format(kind=type(copied).__name__))
    _reseed_frozen(copied, seed)  # first, since the weights of a frozen filter are a function of its seed
    with seeded(seed), torch.no_grad():
        for part in _resettable(copied):
            part.reset_parameters()  # type: ignore[operator]
    return copied


def reinitialized_model(fresh: Callable[[], nn.Module], seed: int, surveyed: nn.Module) -> nn.Module:
    """A model built by `fresh`, on the CPU, in float32; frozen filters get seeds other than those it gave them.

    Raises:
        TypeError: `fresh` returns something else.
        ValueError: it returns the surveyed model itself, which must not change.
    """
    with seeded(seed):
        model = fresh()
    if not isinstance(model, nn.Module):
        raise TypeError(f"fresh() returned a {type(model).__name__}; it must return a torch.nn.Module")
    if model is surveyed:
        raise ValueError(f"fresh() returned the surveyed {type(model).__name__} itself; it must build a new one")
    model = model.cpu().float()
    with torch.no_grad():
        for part in _reseed_frozen(model, seed):  # `fresh` has initialised everything else
            part.reset_parameters()
    return model


def check_different(first: nn.Module, second: nn.Module) -> None:
    """Compares two models built by `fresh`, apart from frozen filters, which were given different seeds.

    Raises:
        ValueError: all trainable weights are equal, so that the null distribution has no width and any difference
            from it seems large.
    """
    # Not strict: models of different shapes are refused later, with the name of the layer.
    pairs = [pair for pair in zip(first.parameters(), second.parameters(), strict=False) if pair[0].requires_grad]
    if pairs and all(torch.equal(one, other) for one, other in pairs):
        raise ValueError(
            f"fresh() built the same weights twice in a {type(first).__name__}; every call must initialise them "
            "differently, so it should neither seed the random state nor load weights"
        )


def _reseed_frozen(module: nn.Module, seed: int) -> list[FrequencyFilter]:
    """Gives each frozen filter inside a seed of its own and returns these filters."""
    generator = torch.Generator().manual_seed(seed & (2**63 - 1))  # `draw_seed` may be negative
    found = []
    for part in module.modules():
        if isinstance(part, FrequencyFilter) and part.frozen_seed is not None:
            part.frozen_seed = int(torch.randint(2**62, (), generator=generator))
            found.append(part)
    return found


def _unparametrized(module: nn.Module) -> nn.Module:
    """A new `nn.ConvNd` whose kernels have the same shape."""
    # Removing the parametrisation from a copy would edit its class, which a copy shares with the original.
    for kind in CONVS.values():
        if isinstance(module, kind):
            build: Callable[..., nn.Module] = kind
            return build(
                module.in_channels,
                module.out_channels,
                module.kernel_size,
                dilation=module.dilation,
                groups=module.groups,
                bias=module.bias is not None,
            )
    raise ValueError(_PARAMETRIZED.format(kind=type(module).__name__))


def _resettable(module: nn.Module) -> list[nn.Module]:
    """The outermost modules with `reset_parameters`, which re-initialise what they contain."""
    if callable(getattr(module, "reset_parameters", None)):
        return [module]
    return [part for child in module.children() for part in _resettable(child)]
