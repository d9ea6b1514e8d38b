"""The report on a conversion, and the conversion itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from nifconv._support import history, saved
from nifconv._support.changes import ChangeReport, LayerChange
from nifconv._support.named import NamedModel
from nifconv._support.publishing import Publishable
from nifconv.conversion._candidate import Candidate
from nifconv.conversion._plan import Plan
from nifconv.conversion._savable import describe, model_to_save


@dataclass(frozen=True, kw_only=True)
class Decision(LayerChange):
    """What became of one convolution.

    Attributes:
        name: its place in the model.
        aliases: its other places, if it has several.
        replaced: whether a new layer took its place.
        reason: what it became, or why it was kept.
        before: the convolution as printed by torch.
        after: the module in its place, as printed by torch; None if the convolution was kept.
        parameters_before: number of entries of the convolution's `parameters()`, bias included.
        parameters_after: the same number for the module in its place; the weights of frozen filters are buffers, and
            not among them.
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
        flops: floating-point operations of the model on the example input before and after, if there was one.
    """

    output_change: float | None = None
    flops: tuple[int, int] | None = None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The same as `layers`."""
        return self.layers

    @property
    def summary(self) -> str:
        """How much was replaced, in up to three lines."""
        lines = [self.count("convolutions", "replaced", self.replaced)]
        if self.flops is not None:
            lines.append(f"flops on the example input: {self.flops[0]:,} -> {self.flops[1]:,}")
        if self.output_change is not None:
            lines.append(f"output changed by {self.output_change:.2g} of its norm on the example input")
        return "\n".join(lines)

    def __str__(self) -> str:
        return "\n".join([self.summary, *self.rows()])


def report_on(
    candidates: Sequence[Candidate], output_change: float | None, flops: tuple[int, int] | None
) -> ConversionReport:
    """The report on convolutions that went through all steps."""
    return ConversionReport(tuple(map(_decision, candidates)), output_change, flops)


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


@dataclass(frozen=True, repr=False)
class Conversion(Publishable):
    """The converted model and the report on it.

    Attributes:
        model: the model.
        report: what was replaced and kept, and why.
        plan: the arguments of `convert` that describe the new layers.
    """

    model: nn.Module
    report: ConversionReport
    plan: Plan

    def save(self, path: str | Path, *, base: str | NamedModel | None = None) -> None:
        """Writes the weights of the model as they are now, and how it was converted, for `nifconv.load`.

        One safetensors file, with the description as JSON in its metadata and a checksum over everything; no pickle.
        For a copy of the model, such as averaged weights, save `dataclasses.replace(conversion, model=copy)`; wrappers
        such as torch.compile and AveragedModel are taken off.

        Args:
            path: file to write.
            base: name of the model before it was converted, such as "resnet50", "timm:convnext_tiny" or
                "package.module:function", so that `load` needs no model; already known for a model that was built by
                name with `nifconv.models`.

        Raises:
            ValueError: the conversion used a function or a filter of your own, which a file cannot hold; or the model
                is not the converted one.
            TypeError: the state_dict holds something other than tensors.
            FileNotFoundError: the folder of `path` does not exist.
            ImportError: safetensors is not installed.
        """
        saved.write(path, *self._content(base))

    def _content(self, base: str | NamedModel | None) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        step = self.step()
        if "obstacle" in step:
            raise ValueError(step["obstacle"])
        model = model_to_save(self.model, step["layers"])
        # A copy that was put together by hand has no history.
        steps = None if history.of(model)["conversions"] else [step]
        return model.state_dict(), describe(model, base, steps)

    def step(self) -> dict[str, Any]:
        """This conversion as data ready for JSON, or the reason why it has none under "obstacle"."""
        try:
            return {"plan": self.plan.to_spec(), "layers": [layer.name for layer in self.report.replaced]}
        except ValueError as error:
            return {"obstacle": str(error), "layers": [layer.name for layer in self.report.replaced]}

    def __repr__(self) -> str:
        done = f"{len(self.report.replaced)} of {len(self.report.layers)} convolutions replaced"
        return f"Conversion({type(self.model).__name__}, {done})"
