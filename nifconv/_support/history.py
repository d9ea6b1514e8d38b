"""What a model was made of: a base model, and the conversions since, as plain data on the module itself.

So a file can say how to build the model again, whatever happened to it in between: copies carry it along.
"""

from __future__ import annotations

from typing import Any

from torch import nn

# Written past __setattr__, which compiled and scripted modules have changed.
_ATTRIBUTE = "_nifconv_history"


def start(model: nn.Module, base: dict[str, Any] | None) -> None:
    """Notes what a newly built model is, as `NamedModel.to_spec` says it."""
    vars(model)[_ATTRIBUTE] = {"base": base, "conversions": []}


def add_conversion(model: nn.Module, before: dict[str, Any], step: dict[str, Any]) -> None:
    """Notes on a converted model what it was before, and how it was converted."""
    vars(model)[_ATTRIBUTE] = {**before, "conversions": [*before["conversions"], step]}


def of(model: nn.Module) -> dict[str, Any]:
    """The base of a model, None if unknown, and its conversions so far."""
    found: dict[str, Any] = vars(model).get(_ATTRIBUTE, {"base": None, "conversions": []})
    return found


def carry_over(new: nn.Module, old: nn.Module) -> None:
    """Gives a model the history of the one it was made from."""
    vars(new)[_ATTRIBUTE] = of(old)
