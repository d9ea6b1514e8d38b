"""What became of the convolutions of a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from nifconv.conversion import _files
from nifconv.conversion._build import Plan
from nifconv.filters import FrequencyFilter


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
        residual: |taps - original| / |original| of the new layer, if it was matched.
    """

    name: str
    aliases: tuple[str, ...]
    replaced: bool
    reason: str
    before: str
    after: str
    parameters_before: int
    parameters_after: int
    residual: float | None = None


@dataclass(frozen=True)
class ConversionReport:
    """What `convert` replaced and kept, and why; printable.

    Attributes:
        decisions: one for each convolution.
        output_change: the largest |new - old| / |old| over the output tensors of the model, if it was measured.
    """

    decisions: tuple[Decision, ...]
    output_change: float | None = None

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
        return {"layers": [asdict(d) for d in self.decisions], "output_change": self.output_change}

    @property
    def summary(self) -> str:
        """How much was replaced, in a line or two."""
        before = sum(d.parameters_before for d in self.replaced)
        after = sum(d.parameters_after for d in self.replaced)
        text = (
            f"replaced {len(self.replaced)} of {len(self.decisions)} convolutions; "
            f"their parameters: {before:,} -> {after:,}"
        )
        if self.output_change is None:
            return text
        return f"{text}\noutput changed by {self.output_change:.2g} of its norm on the example input"

    def __str__(self) -> str:
        lines = [self.summary]
        width = max((len(d.name) for d in self.decisions), default=0)
        for d in self.decisions:
            change = f"{d.parameters_before:,} -> {d.parameters_after:,}" if d.replaced else ""
            reason = d.reason if d.residual is None else f"{d.reason}; residual {d.residual:.2g}"
            lines.append(f"  {d.name:<{width}}  {'replaced' if d.replaced else 'kept    '}  {change:>20}  {reason}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Conversion:
    """The converted model and the report on it.

    Attributes:
        model: the model.
        report: what was replaced and kept, and why.
        plan: what was asked for.
    """

    model: nn.Module
    report: ConversionReport
    plan: Plan

    def save(self, path: str | Path) -> None:
        """Writes the weights of the model as they are now, and how it was converted, for `nifconv.load`.

        One safetensors file, with the description as JSON in its metadata and a checksum over all; no pickle. For a
        copy of the model, such as averaged weights, save `dataclasses.replace(conversion, model=copy)`.

        Raises:
            ValueError: the conversion used a function or a filter of your own, which a file cannot hold.
            TypeError: the state_dict holds something else than tensors.
            ImportError: safetensors is not installed.
        """
        filters = ((name, m) for name, m in self.model.named_modules() if isinstance(m, FrequencyFilter))
        description = {
            "plan": self.plan.to_spec(),
            "layers": [d.name for d in self.report.replaced],
            "gains": {name: module.initial_gain for name, module in filters},
        }
        _files.write(path, self.model.state_dict(), description)
