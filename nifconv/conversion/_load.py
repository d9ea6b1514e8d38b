"""Converting a model again, as a description says."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nifconv._support.descriptions import check_size, refused
from nifconv.conversion._convert import convert_inplace
from nifconv.conversion._plan import Plan
from nifconv.conversion._report import Conversion
from nifconv.conversion._select import convolutions
from nifconv.filters import FrequencyFilter
from nifconv.layers import ConvNd, SpatialLayer

_OTHER_BASE = "give a base_model of the architecture that was converted"
_LONGEST = 10_000
"""Characters of the filter of one layer or pattern; those that `Conversion.save` writes have hundreds."""


def convert_again(source: str, step: Mapping[str, Any], model: nn.Module, *, numbers: int) -> Conversion:
    """Repeats one conversion that `describe` found, in place, with newly initialised filters.

    Args:
        source: where the description is from, for messages.
        step: the conversion, with the entries "plan" and "layers".
        model: the model as it was before.
        numbers: how many numbers the weights in the file have; a layer that would have more is not built.

    Raises:
        ValueError: the description is incomplete or absurd, or does not fit `model`, which may be converted already.
    """
    spec, layers = step["plan"], set(step["layers"])
    with refused(source, "has an incomplete description"):
        _check_sizes(spec, model, layers, numbers)
        plan = Plan.from_spec(spec)
    with refused(source, "describes a conversion that base_model does not allow", _OTHER_BASE):
        # By name, since the file does not hold the original `where`.
        conversion = convert_inplace(plan, model, lambda name, _: name in layers, weights_follow=True)
    # A base model of another architecture may have a layer of that name that cannot be replaced, or lack one.
    replaced = {decision.name for decision in conversion.report.replaced}
    if replaced != layers:
        raise ValueError(
            f"{source!r} was saved from a model with other layers: {', '.join(sorted(replaced ^ layers))} cannot be "
            f"converted in the same way; {_OTHER_BASE}"
        )
    return replace(conversion, plan=plan)


def set_initial_gains(source: str, gains: Mapping[str, Any], model: nn.Module) -> None:
    """Gives filters the gains that they were initialised with; a state_dict does not hold these.

    Without them `reset_parameters` would use others.

    Raises:
        ValueError: a gain is not a finite number of at least 0.
    """
    with refused(source, "has an incomplete description"):
        if wrong := [f"{name}: {gain!r}" for name, gain in gains.items() if not 0 <= float(gain) < math.inf]:
            raise ValueError(f"gains must be finite and at least 0, not {wrong[0]}")
    for name, module in model.named_modules():
        if isinstance(module, FrequencyFilter) and name in gains:
            module.initial_gain = float(gains[name])


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
    """Checks names, shapes and dtypes of the tensors in a file against those of the model.

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


def _check_sizes(spec: dict[str, Any], model: nn.Module, layers: Collection[str], numbers: int) -> None:
    """Builds the layers without memory first: a line of text can ask for more than there is."""
    # Entry by entry: a plan with a filter for each layer of a deep network is long, but no single filter is.
    for part in _parts(spec):
        if len(json.dumps(part)) > _LONGEST:
            raise ValueError(f"a filter of its plan is longer than {_LONGEST} characters")
    with torch.device("meta"):
        plan = Plan.from_spec(spec)
        for conv, names in convolutions(model).items():
            # With all names of a module at several places, since `convert` finds its filter by any of them.
            own = plan.for_layer(tuple(names))
            if names[0] in layers and isinstance(conv, ConvNd) and own is not None:
                check_size(names[0], own.build(names[0], conv), numbers)


def _parts(spec: Mapping[str, Any]) -> Iterator[Any]:
    """The plan without its filters, and each of these."""
    yield {**spec, "filter": None}
    filters = spec.get("filter")
    yield from filters if isinstance(filters, list) else [filters]


def _layers(description: Mapping[str, Any]) -> list[str]:
    return [name for step in description["conversions"] for name in step.get("layers", ())]


def _converted_layer(layers: Sequence[str], model: nn.Module) -> str | None:
    modules = dict(model.named_modules())
    return next((name for name in sorted(layers) if isinstance(modules.get(name), SpatialLayer)), None)
