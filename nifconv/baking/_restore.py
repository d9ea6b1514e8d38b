"""Rebuilding a baked model from what `Baked.save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from nifconv._support.descriptions import refused
from nifconv.baking._plain import as_tuples, put_layers
from nifconv.baking._report import Baked, BakedLayer, BakeReport


def restore(source: str, description: Mapping[str, Any], model: nn.Module, *, numbers: int) -> Baked:
    """Puts plain convolutions, with weights yet to be loaded, where `bake` had put them; in place.

    Args:
        source, model, numbers: see `put_layers`.
        description: with the entries "baked" and "report" that `Baked.save` wrote.

    Raises:
        ValueError: the description is incomplete or absurd, or `model` has no module at one of these places.
    """
    with refused(source, "has an incomplete description"):
        layers = tuple(BakedLayer(**as_tuples(entry)) for entry in description["report"]["layers"])
        report = BakeReport(**{**description["report"], "layers": layers})
    return Baked(put_layers(source, description["baked"], model, numbers=numbers), report)
