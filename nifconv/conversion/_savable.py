"""What of a converted model a file can hold, such that it can be loaded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel

from nifconv._support import history
from nifconv._support.named import NamedModel
from nifconv.filters import initial_gains
from nifconv.layers import SpatialLayer

_MARK = "_nifconv_replacement"
_WRAPPERS = (AveragedModel, nn.DataParallel, nn.parallel.DistributedDataParallel)


def mark(layer: nn.Module) -> None:
    """Notes on a new layer that `convert` put it in its place; copies know it too."""
    setattr(layer, _MARK, True)


def model_to_save(model: nn.Module, replaced: Collection[str]) -> nn.Module:
    """The model that a conversion returned, or its copy, out of what was wrapped around it.

    Args:
        model: it, perhaps inside torch.compile, AveragedModel, DataParallel or DistributedDataParallel.
        replaced: names of the layers that the conversion replaced.

    Raises:
        ValueError: `load` could not build the model again: replaced layers are missing, or others were replaced in a
            conversion of a part of the model.
    """
    modules = dict(model.named_modules())
    missing = [name for name in replaced if not isinstance(modules.get(name), SpatialLayer)]
    inner = model._modules.get("_orig_mod") or (model.module if isinstance(model, _WRAPPERS) else None)
    if missing and inner is not None:
        return model_to_save(inner, replaced)
    if missing:
        raise ValueError(
            f"the {type(model).__name__} has no frequency layer at {missing[0]!r}, where this conversion put one, so "
            "that the file could not be loaded; save the converted model or a copy of it, without what is wrapped "
            "around it, and not baked"
        )
    known = {*replaced, *(name for step in history.of(model)["conversions"] for name in step["layers"])}
    others = [repr(name) for name, module in modules.items() if hasattr(module, _MARK) and name not in known]
    if others:
        raise ValueError(
            f"{others[0]} {'was' if len(others) == 1 else 'and others were'} replaced in a conversion of "
            "a part of this model, which the file would not hold; convert the whole model, with a name pattern for "
            "each part as `where` or `filter`"
        )
    return model


def describe(
    model: nn.Module, base: str | NamedModel | None = None, steps: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """What a converted model was made of, as data from which `load` builds it again; of any other, its base.

    Args:
        model: the model, out of what was wrapped around it.
        base: what it was before, where it does not know that itself.
        steps: its conversions, likewise.

    Raises:
        ValueError: it was converted with a function or a filter of the user, which has no description.
    """
    made = history.of(model)
    steps = made["conversions"] if steps is None else steps
    for step in steps:
        if "obstacle" in step:
            raise ValueError(step["obstacle"])
    made = {**made, "conversions": list(steps)}
    if base is not None:
        base = NamedModel(base) if isinstance(base, str) else base
        made = {**made, "base": base.to_spec()}
    return {**made, "gains": initial_gains(model)}
