"""How a model came about: its base model, then conversions and bakes, as plain data on the module itself.

Copies carry it along, so a file can say how to build the model again, whatever happened to it in between.
"""

from __future__ import annotations

from typing import Any

from torch import nn

# Written past __setattr__, which compiled and scripted modules have changed.
_ATTRIBUTE = "_nifconv_history"


def start(model: nn.Module, base: dict[str, Any] | None) -> None:
    """Records what a newly built model is, as `NamedModel.to_spec` describes it."""
    vars(model)[_ATTRIBUTE] = {"base": base, "conversions": []}


def name_base(model: nn.Module, base: dict[str, Any] | None) -> None:
    """Records what a model was before all conversions, unless that is known already."""
    made = of(model)
    vars(model)[_ATTRIBUTE] = {**made, "base": base if made["base"] is None else made["base"]}


def add(model: nn.Module, before: dict[str, Any], step: dict[str, Any]) -> None:
    """Records on a changed model what it was before, and how it was changed.

    Args:
        model: the model after the change.
        before: what `of` returned before the change.
        step: a conversion, with the names of the new layers under "layers"; or a bake, with the plain layers by name
            under "baked".
    """
    vars(model)[_ATTRIBUTE] = {**before, "conversions": [*before["conversions"], step]}


def of(model: nn.Module) -> dict[str, Any]:
    """The base of a model, None if unknown, and the conversions and bakes so far."""
    found: dict[str, Any] | None = vars(model).get(_ATTRIBUTE)
    if found is None and (inner := model._modules.get("_orig_mod")) is not None:
        return of(inner)  # torch.compile changes how a model runs, and not what it was made of
    return found or {"base": None, "conversions": []}


def needed(model: nn.Module) -> dict[str, Any]:
    """What `of` returns, without the conversions whose layers were all baked later.

    They need not be repeated, since the plain layers can be put straight into the base model.
    """
    made = of(model)
    steps: list[dict[str, Any]] = []
    baked: set[str] = set()
    for step in reversed(made["conversions"]):
        baked |= set(step.get("baked", ()))
        if "baked" in step or not set(step["layers"]) <= baked:
            steps.insert(0, step)
    return {**made, "conversions": steps}
