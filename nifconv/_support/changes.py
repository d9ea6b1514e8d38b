"""Reports on the layers of a model that were replaced or kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from nifconv._support.tables import html_table


@dataclass(frozen=True, kw_only=True)
class LayerChange(ABC):
    """What became of one layer.

    Attributes:
        name: qualified name in the model.
        aliases: further names, if the model holds the layer in several places.
        replaced: whether a new layer took its place.
        reason: what it became, or why it was kept.
        parameters_before: number of entries of the layer's `parameters()`, bias included; the weights of frozen filters
            are buffers, and not among them.
        parameters_after: the same number for the module that is now in its place.
    """

    name: str
    aliases: tuple[str, ...]
    replaced: bool
    reason: str | None
    parameters_before: int
    parameters_after: int

    @property
    @abstractmethod
    def outcome(self) -> str:
        """What became of it, in one line."""


Change = TypeVar("Change", bound=LayerChange)


@dataclass(frozen=True)
class ChangeReport(Generic[Change]):
    """What became of each layer, in the order of the model.

    Attributes:
        layers: one entry for each layer that was considered.
    """

    layers: tuple[Change, ...]

    @property
    def replaced(self) -> tuple[Change, ...]:
        """The layers that were replaced."""
        return tuple(layer for layer in self.layers if layer.replaced)

    @property
    def kept(self) -> tuple[Change, ...]:
        """The layers that were not."""
        return tuple(layer for layer in self.layers if not layer.replaced)

    def count(self, kind: str, verb: str, among: tuple[Change, ...]) -> str:
        """How many layers were replaced, and the parameters of those in `among`."""
        # `convert` counts what it replaced; `bake` counts all layers, since those it keeps still cost their parameters.
        before = sum(layer.parameters_before for layer in among)
        after = sum(layer.parameters_after for layer in among)
        return f"{verb} {len(self.replaced)} of {len(self.layers)} {kind}; their parameters: {before:,} -> {after:,}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows = [
            [layer.name or "(model)", f"{layer.parameters_before:,}", f"{layer.parameters_after:,}", layer.outcome]
            for layer in self.layers
        ]
        return html_table(["layer", "parameters before", "after", "outcome"], rows)

    def rows(self) -> list[str]:
        """A line for each layer: its name and outcome, in columns."""
        width = max((len(layer.name) for layer in self.layers), default=0)  # a model may hold no such layer
        return [f"  {layer.name:<{width}}  {layer.outcome}" for layer in self.layers]
