"""The report on a baked model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from nifconv._support.changes import ChangeReport, LayerChange


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
        error: |new output - old output| / |old output| on the maps of the example input; None if the layer was kept.
        smallest_map: the smallest map on which the plain convolution runs, in pixels per axis.
    """

    map_sizes: tuple[tuple[int, ...], ...]
    kernel_before: tuple[int, ...] | None = None
    kernel_after: tuple[int, ...] | None = None
    bound: float | None = None
    error: float | None = None
    smallest_map: tuple[int, ...] | None = None

    @property
    def outcome(self) -> str:
        if self.reason is not None:
            return self.reason
        before, after, smallest = (
            "x".join(map(str, size or ())) for size in (self.kernel_before, self.kernel_after, self.smallest_map)
        )
        return f"{before} -> {after} taps, bound {self.bound:.2g}, error {self.error:.2g}, maps from {smallest}"


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

    def __str__(self) -> str:
        lines = [
            self.count("frequency layers", "baked", self.layers),
            f"output changed by {self.error:.2g} of its norm; one run {self.seconds_before:.3g} s -> "
            f"{self.seconds_after:.3g} s",
            *self.rows(),
        ]
        if self.replaced:
            lines.append(
                "the baked model runs on other input sizes too, if every map is at least as large as stated; its "
                "kernels stay those of the maps it was baked on"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Baked:
    """The baked model and the report on it."""

    model: nn.Module
    report: BakeReport
