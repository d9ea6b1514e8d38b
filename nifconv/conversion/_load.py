"""Building a converted model again from its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from nifconv.conversion._convert import convert_inplace
from nifconv.conversion._plan import Plan
from nifconv.conversion._report import Conversion
from nifconv.filters import FrequencyFilter
from nifconv.layers import SpatialLayer


def convert_again(source: str, description: Mapping[str, Any], model: nn.Module) -> Conversion:
    """Repeats the conversions that `describe` found, in place, with newly initialised filters.

    Args:
        source: where the description is from, for messages.
        description: of a model with at least one conversion.
        model: the base model, not yet converted.

    Raises:
        ValueError: the description is incomplete, or does not fit `model`, which may be converted already.
    """
    try:
        steps = [(Plan.from_spec(step["plan"]), set(step["layers"])) for step in description["conversions"]]
        gains = dict(description["gains"])
        conversion: Conversion | None = None
        for plan, layers in steps:
            conversion = _convert_again(source, plan, layers, model if conversion is None else conversion.model)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{source!r} has an incomplete description ({error}); save it again") from error
    if conversion is None:
        raise ValueError(f"{source!r} has an incomplete description (no conversion); save it again")
    for name, module in conversion.model.named_modules():
        if isinstance(module, FrequencyFilter):
            module.initial_gain = gains.get(name, module.initial_gain)
    return conversion


def is_converted(description: Mapping[str, Any], model: nn.Module) -> bool:
    """Whether the model has frequency layers already where the conversions of a description would put them."""
    return _converted_layer(_layers(description), model) is not None


def check_unconverted(description: Mapping[str, Any], model: nn.Module) -> None:
    """Checks that the conversions of a description are still to be done.

    Raises:
        ValueError: a layer that they replaced is a frequency layer already.
    """
    name = _converted_layer(_layers(description), model)
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


def _convert_again(source: str, plan: Plan, layers: set[str], model: nn.Module) -> Conversion:
    conversion = convert_inplace(plan, model, lambda name, _: name in layers, weights_follow=True)
    replaced = {decision.name for decision in conversion.report.replaced}
    if replaced != layers:
        raise ValueError(
            f"{source!r} was saved from a model with other layers: {', '.join(sorted(replaced ^ layers))} cannot be "
            "converted in the same way; give a base_model of the architecture that was converted"
        )
    return replace(conversion, plan=plan)


def _layers(description: Mapping[str, Any]) -> list[str]:
    return [name for step in description.get("conversions", []) for name in step.get("layers", [])]


def _converted_layer(layers: Sequence[str], model: nn.Module) -> str | None:
    modules = dict(model.named_modules())
    return next((name for name in sorted(layers) if isinstance(modules.get(name), SpatialLayer)), None)
