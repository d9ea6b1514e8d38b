"""A baked model from what `Baked.save` wrote of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from nifconv._support import history
from nifconv._support.modules import substitute
from nifconv.baking._plain import as_tuples, read_module
from nifconv.baking._report import Baked, BakedLayer, BakeReport


def restore(source: str, description: Mapping[str, Any], model: nn.Module) -> Baked:
    """Puts plain convolutions, still without weights of their own, where `bake` had put them; in place.

    Args:
        source: where the description is from, for messages.
        description: with the entries "baked" and "report" that `Baked.save` wrote.
        model: the model that was baked, or what it was before it was converted.

    Raises:
        ValueError: the description is incomplete, or `model` has no module at one of these places.
    """
    try:
        layers = tuple(BakedLayer(**as_tuples(entry)) for entry in description["report"]["layers"])
        report = BakeReport(**{**description["report"], "layers": layers})
        built = {name: read_module(written) for name, written in description["baked"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{source!r} has an incomplete description ({error}); save it again") from error
    modules = dict(model.named_modules())
    if absent := [name for name in built if name not in modules]:
        raise ValueError(
            f"{source!r} was saved from another model: there is nothing at {absent[0]!r}; give a base_model of the "
            "architecture that was baked"
        )
    for name, new in built.items():
        new.train(modules[name].training)
    made = substitute(model, {modules[name]: new for name, new in built.items()})
    history.carry_over(made, model)
    return Baked(made, report)
