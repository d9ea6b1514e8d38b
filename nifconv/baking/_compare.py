"""How far a baked model is from the model, and how fast it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nifconv._support import forward
from nifconv.baking._cut import Cut
from nifconv.spectral import timed

_RUNS = 3


def measure_errors(
    model: nn.Module, example_input: forward.ExampleInput, cuts: Mapping[nn.Module, Cut]
) -> dict[nn.Module, tuple[float, float]]:
    """How far each layer's new module is from it on the inputs that reach it; the largest error where it runs twice.

    Returns:
        max |new - old| / (norm of the layer * max |input|), which `Cut.bound` bounds; and the Euclidean |new - old| /
        |old|.
    """
    errors: dict[nn.Module, tuple[float, float]] = {}

    def compare(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        if not output.numel():  # an empty batch has no largest value
            return
        cut = cuts[layer]
        with forward.evaluating(cut.module):
            # `forward`, not a call, which would run the hooks that the new module has taken over from the layer.
            baked = cut.module.forward(*args, **kwargs)
        difference = (baked - output).double()
        x = args[0] if args else next(iter(kwargs.values()))
        scale = cut.norm * x.detach().abs().amax().item()
        largest = difference.abs().amax().item()
        # A scale of 0 is a layer or an input of zeros, to which an error cannot be relative.
        found = (largest / scale if scale else largest, forward.relative_error(difference, output.double()))
        errors[layer] = tuple(map(max, found, errors.get(layer, found)))

    # Prepended, since other hooks may change the output.
    hooks = [layer.register_forward_hook(compare, with_kwargs=True, prepend=True) for layer in cuts]
    try:
        forward.run(model, example_input)
    finally:
        for hook in hooks:
            hook.remove()
    return errors


def timed_run(model: nn.Module, example_input: forward.ExampleInput) -> tuple[Any, float]:
    """The output of the model, and the median time of a run after the first."""
    return timed(lambda: forward.run(model, example_input), _RUNS)
