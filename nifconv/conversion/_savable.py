"""Which converted models can be saved so that `load` can rebuild them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from torch import nn

from nifconv._support import history
from nifconv._support.modules import inside_wrappers
from nifconv._support.named import NamedModel, made_of
from nifconv.filters import initial_gains
from nifconv.layers import SpatialLayer

_MARK = "_nifconv_replacement"  # an attribute of the module, so that deepcopy and pickle carry it along


def mark(layer: nn.Module) -> None:
    """Marks a layer as one that `convert` has put in place; copies of it carry the mark."""
    setattr(layer, _MARK, True)


def model_to_save(model: nn.Module, replaced: Collection[str]) -> nn.Module:
    """The model that a conversion returned, or a copy of it, without the wrappers around it.

    Args:
        model: the model, perhaps inside torch.compile, AveragedModel, DataParallel or DistributedDataParallel.
        replaced: names of the layers that the conversion replaced.

    Raises:
        ValueError: `load` could not build the model again: replaced layers are missing, or others were replaced in a
            conversion of a part of the model.
    """
    # Wrappers are taken off only where names do not fit, since the model that was converted may be a wrapper itself.
    for inner in inside_wrappers(model):
        modules = dict(inner.named_modules())
        missing = [name for name in replaced if not isinstance(modules.get(name), SpatialLayer)]
        if not missing:
            break
    else:
        raise ValueError(
            f"the {type(inner).__name__} has no frequency layer at {missing[0]!r}, where this conversion put one, so "
            "the file could not be loaded; save the converted model or a copy of it, unwrapped and not baked"
        )
    known = {*replaced, *(name for step in history.of(inner)["conversions"] for name in step.get("layers", ()))}
    others = [repr(name) for name, module in modules.items() if hasattr(module, _MARK) and name not in known]
    if others:
        raise ValueError(
            f"{others[0]} {'was' if len(others) == 1 else 'and others were'} replaced in a conversion of "
            "a part of this model, which the file would not hold; convert the whole model, with a name pattern for "
            "each part as `where` or `filter`"
        )
    return inner


def describe(
    model: nn.Module, base: str | NamedModel | None = None, steps: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """How a converted model came about, as data from which `load` builds it again; for any other model, its base.

    Args:
        model: the model, without wrappers around it.
        base: name of the model before it was converted, where its history does not hold one.
        steps: its conversions; by default those in its history.

    Raises:
        ValueError: it was converted with a user's function or filter, which has no description.
    """
    made = made_of(model, base)
    steps = made["conversions"] if steps is None else steps
    for step in steps:
        if "obstacle" in step:
            raise ValueError(step["obstacle"])
    return {**made, "conversions": list(steps), "gains": initial_gains(model)}
