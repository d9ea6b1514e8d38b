"""What became of the convolutions of a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Decision:
    """What became of one convolution.

    Attributes:
        name: where it stands in the model.
        aliases: where else, if one module stands at several places.
        replaced: whether a new layer took its place.
        reason: why, or why not.
        before: the convolution as printed by torch.
        after: the module in its place, as printed by torch, or "" if it was kept.
        parameters_before: learnable and frozen parameters of the convolution, bias included.
        parameters_after: the same of the module in its place.
    """

    name: str
    aliases: tuple[str, ...]
    replaced: bool
    reason: str
    before: str
    after: str
    parameters_before: int
    parameters_after: int


@dataclass(frozen=True)
class ConversionReport:
    """What `convert` replaced and kept, and why; printable."""

    decisions: tuple[Decision, ...]

    @property
    def replaced(self) -> tuple[Decision, ...]:
        """The decisions for a new layer, in the order of the model."""
        return tuple(d for d in self.decisions if d.replaced)

    @property
    def kept(self) -> tuple[Decision, ...]:
        """The decisions against one, in the order of the model."""
        return tuple(d for d in self.decisions if not d.replaced)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"layers": [asdict(d) for d in self.decisions]}

    def __str__(self) -> str:
        before = sum(d.parameters_before for d in self.replaced)
        after = sum(d.parameters_after for d in self.replaced)
        lines = [
            f"replaced {len(self.replaced)} of {len(self.decisions)} convolutions; "
            f"their parameters: {before:,} -> {after:,}"
        ]
        width = max((len(d.name) for d in self.decisions), default=0)
        for d in self.decisions:
            change = f"{d.parameters_before:,} -> {d.parameters_after:,}" if d.replaced else ""
            lines.append(f"  {d.name:<{width}}  {'replaced' if d.replaced else 'kept    '}  {change:>20}  {d.reason}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Conversion:
    """The converted model and the report on it."""

    model: nn.Module
    report: ConversionReport
