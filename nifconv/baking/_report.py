"""The report on a baked model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from nifconv._support import saved
from nifconv._support.changes import ChangeReport, LayerChange
from nifconv._support.modules import inside_wrappers
from nifconv._support.named import NamedModel, made_of
from nifconv._support.publishing import Publishable
from nifconv.baking._plain import is_plain, write_layers
from nifconv.filters import initial_gains


@dataclass(frozen=True, kw_only=True)
class BakedLayer(LayerChange):
    """What became of one frequency layer.

    Attributes:
        name: its place in the model.
        aliases: its other places, if it has several.
        replaced: whether it became a plain convolution.
        reason: why the layer was kept, or None.
        parameters_before: parameters of the layer, frozen ones included.
        parameters_after: parameters of the plain convolution.
        map_sizes: sizes of the maps that reach it for the example input, in pixels.
        kernel_before: taps per axis of the kernels as applied there; None if the layer was kept.
        kernel_after: taps per axis of the plain convolution; None if the layer was kept.
        bound: the largest change of an output pixel for inputs between -1 and 1, relative to the largest output
            that such inputs can give; None if the layer was kept.
        error: what `bound` bounds, measured on the maps of the example input: the largest change of an output pixel,
            relative to the largest output that inputs up to the largest there can give; None if the layer was kept.
        change: |new output - old output| / |old output| there, in the Euclidean norm, which no bound on pixels
            limits where outputs stay far below the largest possible one; None if the layer was kept.
        smallest_map: the smallest map on which the plain convolution runs, in pixels per axis.
    """

    map_sizes: tuple[tuple[int, ...], ...]
    kernel_before: tuple[int, ...] | None = None
    kernel_after: tuple[int, ...] | None = None
    bound: float | None = None
    error: float | None = None
    change: float | None = None
    smallest_map: tuple[int, ...] | None = None

    @property
    def outcome(self) -> str:
        if self.reason is not None:
            return self.reason
        before, after, smallest = (
            "x".join(map(str, size or ())) for size in (self.kernel_before, self.kernel_after, self.smallest_map)
        )
        # Rounding makes an error even without a cut, and no bound on the taps includes it.
        error = f"error {self.error:.2g} (bound {self.bound:.2g})" if self.bound else f"rounding error {self.error:.2g}"
        return (
            f"{before} -> {after} taps, {error}, output changed by {self.change:.2g} of its norm, maps of at least "
            f"{smallest}"
        )


@dataclass(frozen=True)
class BakeReport(ChangeReport[BakedLayer]):
    """What `bake` did; printable.

    Attributes:
        layers: one entry for each frequency layer, in the order of the model.
        tolerance: the tolerance that `bake` was given.
        error: the largest |new - old| / |old| over the output tensors of the model on the example input.
        seconds_before: median time of one run on the example input, before baking.
        seconds_after: median time of one run afterwards.
    """

    tolerance: float
    error: float
    seconds_before: float
    seconds_after: float

    @property
    def summary(self) -> str:
        """How much was baked, in two lines."""
        return (
            f"{self.count('frequency layers', 'baked', self.layers)}\noutput changed by {self.error:.2g} of its norm; "
            f"one run {self.seconds_before:.3g} s -> {self.seconds_after:.3g} s"
        )

    def __str__(self) -> str:
        lines = [self.summary, *self.rows()]
        if self.replaced:
            lines.append(
                "the baked model runs on other input sizes too, if every map is at least as large as stated; its "
                "kernels stay those of the maps it was baked on"
            )
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Baked(Publishable):
    """The baked model and the report on it.

    Attributes:
        model: the model.
        report: what became of its frequency layers.
    """

    model: nn.Module
    report: BakeReport

    def save(self, path: str | Path, *, base: str | NamedModel | None = None) -> None:
        """Writes the weights of the model as they are now, and the sizes of its kernels, for `nifconv.load`.

        One safetensors file, as `Conversion.save` writes it. For a copy of the model, save
        `dataclasses.replace(baked, model=copy)`; wrappers such as torch.compile and AveragedModel are taken off.

        Args:
            path: file to write.
            base: name of the model before it was converted, such as "resnet50", so that `load` needs no model; already
                known for a model that was built by name with `nifconv.models`.

        Raises:
            ValueError: a kept frequency layer was made by a function or a filter of your own, which a file cannot hold;
                or the model is not the baked one.
            FileNotFoundError: the folder of `path` does not exist.
            TypeError: the state_dict holds something other than tensors.
            ImportError: safetensors is not installed.
        """
        saved.write(path, *self._content(base))

    def _content(self, base: str | NamedModel | None) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        names = [layer.name for layer in self.report.replaced]
        model = self._model_to_save(names)
        made = made_of(model, base)
        *earlier, last = made["conversions"] or [{}]  # a copy that was put together by hand knows of no bake
        steps = earlier if "baked" in last else made["conversions"]
        if obstacles := [step["obstacle"] for step in steps if "obstacle" in step]:
            raise ValueError(obstacles[0])
        description = {
            "base": made["base"],
            "conversions": steps,
            "gains": initial_gains(model),
            "baked": write_layers(model, names),
            "report": self.report.to_dict(),
        }
        return model.state_dict(), description

    def _model_to_save(self, names: Sequence[str]) -> nn.Module:
        for inner in inside_wrappers(self.model):
            modules = dict(inner.named_modules())
            missing = [name for name in names if not is_plain(modules.get(name))]
            if not missing:
                return inner
        raise ValueError(
            f"the {type(inner).__name__} has no plain convolution at {missing[0]!r}, where this bake put one, so "
            "the file could not be loaded; save the baked model or a copy of it, not converted again"
        )

    def __repr__(self) -> str:
        done = f"{len(self.report.replaced)} of {len(self.report.layers)} frequency layers baked"
        return f"Baked({type(self.model).__name__}, {done})"
