"""How far a baked model is from the model, and how fast it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nifconv._support import forward

_RUNS = 3


def measure_errors(
    model: nn.Module, example_input: forward.ExampleInput, new: Mapping[nn.Module, nn.Module]
) -> dict[nn.Module, float]:
    """|new output - old output| / |old output| of each new module, on the inputs that reach the layer it replaces."""
    errors: dict[nn.Module, float] = {}

    def compare(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        with forward.evaluating(new[layer]):
            # `forward` rather than a call: the new module shares the hooks of the layer, which would run twice.
            baked = new[layer].forward(*args, **kwargs)
        error = forward.relative_error((baked - output).double(), output.double())
        errors[layer] = max(error, errors.get(layer, 0.0))

    # Ahead of other hooks, which may change the output.
    hooks = [layer.register_forward_hook(compare, with_kwargs=True, prepend=True) for layer in new]
    try:
        forward.run(model, example_input)
    finally:
        for hook in hooks:
            hook.remove()
    return errors


def timed_run(model: nn.Module, example_input: forward.ExampleInput) -> tuple[Any, float]:
    """The output of the model, and the median time of a run after the first."""
    output = forward.run(model, example_input)  # untimed: the first run fills caches and makes FFT plans
    seconds = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        forward.run(model, example_input)
        seconds.append(time.perf_counter() - start)
    return output, statistics.median(seconds)
