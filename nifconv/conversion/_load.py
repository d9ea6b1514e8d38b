"""Building a converted model again from its description."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nifconv.conversion._convert import convert_inplace
from nifconv.conversion._plan import Plan
from nifconv.conversion._report import Conversion
from nifconv.filters import FrequencyFilter
from nifconv.layers import ConvNd, SpatialLayer

_LONGEST = 10_000
"""Characters of a plan; those that `Conversion.save` writes have hundreds."""


def convert_again(source: str, description: Mapping[str, Any], model: nn.Module, *, numbers: int) -> Conversion:
    """Repeats the conversions that `describe` found, in place, with newly initialised filters.

    Args:
        source: where the description is from, for messages.
        description: of a model with at least one conversion.
        model: the base model, not yet converted.
        numbers: how many the weights beside the description hold; a layer that would have more is not built.

    Raises:
        ValueError: the description is incomplete or absurd, or does not fit `model`, which may be converted already.
    """
    with _refused(source, "has an incomplete description"):
        gains = _gains(description["gains"])
        steps = [(step["plan"], set(map(str, step["layers"]))) for step in description["conversions"]]
        first, *further = steps
    conversion = _convert_again(source, *first, model, numbers)
    for spec, layers in further:
        conversion = _convert_again(source, spec, layers, conversion.model, numbers)
    # Plain attributes that a state_dict does not hold; without them reset_parameters() would use other gains.
    for name, module in conversion.model.named_modules():
        if isinstance(module, FrequencyFilter):
            module.initial_gain = gains.get(name, module.initial_gain)
    return conversion


def is_converted(source: str, description: Mapping[str, Any], model: nn.Module) -> bool:
    """Whether the model has frequency layers already where the conversions of a description would put them.

    Args:
        source, description, model: see `convert_again`.

    Raises:
        ValueError: the description is incomplete.
    """
    return _converted_layer(source, description, model) is not None


def check_unconverted(source: str, description: Mapping[str, Any], model: nn.Module) -> None:
    """Checks that the conversions of a description are still to be done.

    Args:
        source, description, model: see `convert_again`.

    Raises:
        ValueError: a layer that they replaced is a frequency layer already, or the description is incomplete.
    """
    name = _converted_layer(source, description, model)
    if name is not None:
        raise ValueError(
            f"base_model is already converted: it has a {type(model.get_submodule(name)).__name__} at {name!r}; give "
            "the model as it was before convert"
        )


def check_tensors(source: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Any]) -> None:
    """Checks names, shapes and dtypes.

    Raises:
        ValueError: some differ.
    """

    def kind(tensor: object) -> str:
        return f"{tensor.dtype} {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else "nothing"

    wrong = [
        f"{name}: {kind(tensors.get(name))} in the file, {kind(expected.get(name))} in the model"
        for name in sorted({*tensors, *expected})
        if kind(tensors.get(name)) != kind(expected.get(name))
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(
            f"{source!r} does not fit the model at {'; '.join(wrong[:3])}{more}; give a base_model of the "
            "architecture that was saved, in the same dtype"
        )


def _convert_again(source: str, spec: dict[str, Any], layers: set[str], model: nn.Module, numbers: int) -> Conversion:
    with _refused(source, "has an incomplete description"):
        _check_sizes(spec, {name: m for name, m in model.named_modules() if name in layers}, numbers)
        plan = Plan.from_spec(spec)
    with _refused(source, "describes a conversion that base_model does not allow"):
        # By name, since the file does not hold the original `where`.
        conversion = convert_inplace(plan, model, lambda name, _: name in layers, weights_follow=True)
    replaced = {decision.name for decision in conversion.report.replaced}
    if replaced != layers:
        raise ValueError(
            f"{source!r} was saved from a model with other layers: {', '.join(sorted(replaced ^ layers))} cannot be "
            "converted in the same way; give a base_model of the architecture that was converted"
        )
    return replace(conversion, plan=plan)


@contextmanager
def _refused(source: str, reason: str) -> Iterator[None]:
    """Inside, an error names the file: its checksum says that it is whole, not that `Conversion.save` wrote it."""
    try:
        yield
    except Exception as error:  # whatever our classes raise for arguments that nobody gave them
        raise ValueError(f"{source!r} {reason} ({error!s:.200}); save it again") from error


def _gains(gains: Mapping[str, Any]) -> dict[str, float]:
    if wrong := [f"{name}: {gain!r}" for name, gain in gains.items() if not 0 <= float(gain) < math.inf]:
        raise ValueError(f"gains must be finite and at least 0, not {wrong[0]}")
    return {name: float(gain) for name, gain in gains.items()}


def _check_sizes(spec: dict[str, Any], convs: Mapping[str, nn.Module], numbers: int) -> None:
    """Builds the layers without memory first: a line of text can ask for more than there is."""
    if len(json.dumps(spec)) > _LONGEST:
        raise ValueError(f"its plan is longer than {_LONGEST} characters")
    with torch.device("meta"):
        plan = Plan.from_spec(spec)
        for name, conv in convs.items():
            own = plan.for_layer((name,))
            if isinstance(conv, ConvNd) and own is not None:
                wanted = sum(tensor.numel() for tensor in own.build(name, conv).state_dict().values())
                if wanted > numbers:
                    raise ValueError(f"{name!r} would have {wanted} numbers, and the whole file has {numbers}")


def _converted_layer(source: str, description: Mapping[str, Any], model: nn.Module) -> str | None:
    modules = dict(model.named_modules())
    with _refused(source, "has an incomplete description"):
        layers = [name for step in description["conversions"] for name in step["layers"]]
        return next((name for name in sorted(layers) if isinstance(modules.get(name), SpatialLayer)), None)
