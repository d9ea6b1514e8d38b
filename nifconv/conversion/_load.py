"""Rebuilding a converted model from a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nifconv._support.arguments import torch_module
from nifconv._support.modules import copy_model
from nifconv.conversion import _files
from nifconv.conversion._convert import convert_inplace
from nifconv.conversion._plan import Plan
from nifconv.conversion._report import Conversion
from nifconv.filters import FrequencyFilter
from nifconv.layers import ConvNd, SpatialLayer

_LONGEST = 10_000
"""Characters of a plan; those that `Conversion.save` writes have hundreds."""


def load(path: str | Path, base_model: nn.Module) -> Conversion:
    """Reads what `Conversion.save` wrote: converts a copy of `base_model` in the same way and loads the weights.

    Args:
        path: the file that `Conversion.save` wrote.
        base_model: a model of the architecture that was converted, with any weights; it is not changed. The new model
            is on its device.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `base_model` is not a module.
        ValueError: the file is truncated, altered or of another format, or does not fit `base_model`, which may be
            converted already.
        ImportError: safetensors is not installed.

    >>> import nifconv, tempfile
    >>> net = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "net.safetensors"
    ...     nifconv.convert(net, to="dense").save(path)
    ...     model = nifconv.load(path, net).model
    >>> type(model[0]).__name__
    'FrequencyConv2d'
    """
    torch_module("base_model", base_model)
    tensors, description = _files.read(path)
    modules = dict(base_model.named_modules())
    with _refused(path, "has an incomplete description"):
        layers, gains = set(map(str, description["layers"])), _gains(description["gains"])
        _check_sizes(description["plan"], {name: modules[name] for name in layers if name in modules}, tensors)
        plan = Plan.from_spec(description["plan"])
    if done := [name for name in sorted(layers) if isinstance(modules.get(name), SpatialLayer)]:
        raise ValueError(
            f"base_model is already converted: it has a {type(modules[done[0]]).__name__} at {done[0]!r}; give the "
            "model as it was before convert"
        )
    model = copy_model(base_model)
    with _refused(path, "describes a conversion that base_model does not allow"):
        # By name, since the file does not hold the original `where`. Without `match`, since the weights come from the
        # file; the padding mode that `match` implied is in the plan.
        conversion = convert_inplace(replace(plan, match=False), model, lambda name, _: name in layers)
    conversion = replace(conversion, plan=plan)
    replaced = {decision.name for decision in conversion.report.replaced}
    if replaced != layers:
        raise ValueError(
            f"{str(path)!r} was saved from a model with other layers: {', '.join(sorted(replaced ^ layers))} cannot be "
            "converted in the same way; give a base_model of the architecture that was converted"
        )
    _check_tensors(path, tensors, conversion.model.state_dict())
    conversion.model.load_state_dict(tensors)
    # Plain attributes that a state_dict does not hold; without them reset_parameters() would use other gains.
    for name, module in conversion.model.named_modules():
        if isinstance(module, FrequencyFilter):
            module.initial_gain = gains.get(name, module.initial_gain)
    return conversion


@contextmanager
def _refused(path: str | Path, reason: str) -> Iterator[None]:
    """Inside, an error names the file: its checksum says that it is whole, not that `Conversion.save` wrote it."""
    try:
        yield
    except Exception as error:  # whatever our classes raise for arguments that nobody gave them
        raise ValueError(f"{str(path)!r} {reason} ({error!s:.200}); save it again") from error


def _gains(gains: Mapping[str, Any]) -> dict[str, float]:
    if wrong := [f"{name}: {gain!r}" for name, gain in gains.items() if not 0 <= float(gain) < math.inf]:
        raise ValueError(f"gains must be finite and at least 0, not {wrong[0]}")
    return {name: float(gain) for name, gain in gains.items()}


def _check_sizes(spec: dict[str, Any], convs: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Builds the layers without memory first: a line of text can ask for more than there is."""
    if len(json.dumps(spec)) > _LONGEST:
        raise ValueError(f"its plan is longer than {_LONGEST} characters")
    given = sum(tensor.numel() for tensor in tensors.values())
    with torch.device("meta"):
        plan = Plan.from_spec(spec)
        for name, conv in convs.items():
            if isinstance(conv, ConvNd):
                wanted = sum(tensor.numel() for tensor in plan.build(name, conv).state_dict().values())
                if wanted > given:
                    raise ValueError(f"{name!r} would have {wanted} numbers, and the whole file has {given}")


def _check_tensors(path: str | Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Any]) -> None:
    # load_state_dict would cast another dtype without a word, and list every key of another architecture.
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
            f"{str(path)!r} does not fit the model at {'; '.join(wrong[:3])}{more}; give a base_model of the "
            "architecture that was converted, in the same dtype"
        )
