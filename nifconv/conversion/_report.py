"""The report on a conversion, and the conversion itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from torch import nn

from nifconv._support.changes import ChangeReport, LayerChange
from nifconv.conversion import _files
from nifconv.conversion._candidate import Candidate
from nifconv.conversion._plan import Plan
from nifconv.conversion._savable import model_to_save
from nifconv.filters import FrequencyFilter


@dataclass(frozen=True, kw_only=True)
class Decision(LayerChange):
    """What became of one convolution.

    Attributes:
        name: its place in the model.
        aliases: its other places, if it has several.
        replaced: whether a new layer took its place.
        reason: why, or why not.
        before: the convolution as printed by torch.
        after: the module in its place, as printed by torch; None if the convolution was kept.
        parameters_before: learnable and frozen parameters of the convolution, bias included.
        parameters_after: learnable and frozen parameters of the module in its place.
        residual: |taps - original| / |original| of the new layer, if it was matched.
    """

    before: str
    after: str | None
    residual: float | None

    @property
    def outcome(self) -> str:
        # In columns: the width holds two counts of six digits, and a kept layer leaves it empty.
        change = f"{self.parameters_before:,} -> {self.parameters_after:,}" if self.replaced else ""
        reason = self.reason if self.residual is None else f"{self.reason}; residual {self.residual:.2g}"
        return f"{'replaced' if self.replaced else 'kept    '}  {change:>20}  {reason}"


@dataclass(frozen=True)
class ConversionReport(ChangeReport[Decision]):
    """What `convert` replaced and kept, and why; printable.

    Attributes:
        layers: one decision for each convolution.
        output_change: the largest |new - old| / |old| over the output tensors of the model, if it was measured.
    """

    output_change: float | None = None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The same as `layers`."""
        return self.layers

    @property
    def summary(self) -> str:
        """How much was replaced, in a line or two."""
        text = self.count("convolutions", "replaced", self.replaced)
        if self.output_change is None:
            return text
        return f"{text}\noutput changed by {self.output_change:.2g} of its norm on the example input"

    def __str__(self) -> str:
        return "\n".join([self.summary, *self.rows()])


def report_on(candidates: Sequence[Candidate], output_change: float | None) -> ConversionReport:
    """The report on convolutions that went through all steps."""
    return ConversionReport(tuple(map(_decision, candidates)), output_change)


def _decision(candidate: Candidate) -> Decision:
    conv, layer = candidate.conv, candidate.layer
    return Decision(
        name=candidate.names[0],
        aliases=candidate.names[1:],
        replaced=layer is not None,
        reason=candidate.reason,
        before=repr(conv),
        after=None if layer is None else repr(layer),
        parameters_before=_count(conv),
        parameters_after=_count(conv if layer is None else layer),
        residual=candidate.residual,
    )


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if not nn.parameter.is_lazy(p))


@dataclass(frozen=True)
class Conversion:
    """The converted model and the report on it.

    Attributes:
        model: the model.
        report: what was replaced and kept, and why.
        plan: the arguments of `convert` that describe the new layers.
    """

    model: nn.Module
    report: ConversionReport
    plan: Plan

    def save(self, path: str | Path) -> None:
        """Writes the current weights of the model, and how it was converted, for `nifconv.load`.

        One safetensors file, with the description as JSON in its metadata and a checksum over everything; no pickle.
        For a copy of the model, such as averaged weights, save `dataclasses.replace(conversion, model=copy)`; wrappers
        such as torch.compile and AveragedModel are taken off.

        Raises:
            ValueError: the conversion used a function or a filter of your own, which a file cannot hold; the model was
                converted in several steps, of which this is one, or is not the converted one.
            TypeError: the state_dict holds something other than tensors.
            ImportError: safetensors is not installed.
        """
        # Before anything is written: a plan that cannot be described is an error that leaves no file.
        plan, layers = self.plan.to_spec(), [layer.name for layer in self.report.replaced]
        model = model_to_save(self.model, layers)
        filters = ((name, m) for name, m in model.named_modules() if isinstance(m, FrequencyFilter))
        description = {
            "plan": plan,
            "layers": layers,
            "gains": {name: module.initial_gain for name, module in filters},
        }
        _files.write(path, model.state_dict(), description)

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:  # noqa: ARG002 - whatever a model takes
        """Says where the model is.

        Raises:
            TypeError: always.
        """
        # Easily forgotten: without this, `model = convert(model)` fails far away, as "object is not callable".
        raise TypeError("a Conversion holds the model and the report on it, and is not a model; call conversion.model")
