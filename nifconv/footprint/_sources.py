"""What in a model has kernels, and how to read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nifconv._support.arguments import at_least_single
from nifconv.layers import FrequencyConv, LCConv

PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Subject:
    """A module with kernels.

    Attributes:
        name: where it stands in the model.
        module: what holds the weights.
        probe: the convolution inside that the maps reach.
        read: the kernels of the module, or of a copy of it, on a map of some size.
    """

    name: str
    module: nn.Module
    probe: nn.Module
    read: Callable[[nn.Module, tuple[int, ...]], Tensor]

    @property
    def kind(self) -> str:
        """Name of the class."""
        return type(self.module).__name__

    @property
    def periodic(self) -> bool:
        """Whether the kernels are as large as a map that wraps around."""
        probe = self.probe
        return isinstance(probe, FrequencyConv) and probe.kernel_size is None and probe.padding_mode == "circular"

    def taps(self, module: nn.Module, size: tuple[int, ...]) -> Tensor:
        """The kernels on a map of `size`, real, on the CPU, `(out_channels, in_channels_per_group, *taps)`.

        Raises:
            ValueError: they are on the meta device and have no values.
        """
        taps = self.read(module, size)
        if taps.is_meta:
            raise ValueError(f"{self.kind} {self.name!r} is on the meta device and has no weights; load them first")
        # A copy, since training goes on to change the weights in place.
        kept = taps.detach().to("cpu", at_least_single(taps.dtype), copy=True)
        return _dilate(kept, self.probe.dilation)  # type: ignore[arg-type]


def find_subjects(model: nn.Module) -> list[Subject]:
    """All spatial convolutions of a model, and LC blocks whose combined kernels are more than multiples of these."""
    subjects = []
    for name, module in model.named_modules():
        if isinstance(module, LCConv) and not _is_pointwise(module.spatial):
            if module.expansion > 1 or module.spatial.groups < module.in_channels:
                subjects.append(Subject(name, module, module.spatial, _combined))
        elif isinstance(module, FrequencyConv) and not _is_pointwise(module):
            subjects.append(Subject(name, module, module, _frequency))
        elif isinstance(module, PLAIN) and not _is_pointwise(module):
            subjects.append(Subject(name, module, module, _plain))
    return subjects


def _combined(module: nn.Module, size: tuple[int, ...]) -> Tensor:
    assert isinstance(module, LCConv)  # noqa: S101 - for the type checker
    return module.combined_taps(module.spatial.applied_size(size))


def _frequency(module: nn.Module, size: tuple[int, ...]) -> Tensor:
    assert isinstance(module, FrequencyConv)  # noqa: S101 - for the type checker
    return module.filter.taps(module.applied_size(size))


def _plain(module: nn.Module, size: tuple[int, ...]) -> Tensor:  # noqa: ARG001 - the same on every map
    assert isinstance(module.weight, Tensor)  # noqa: S101 - for the type checker
    return module.weight


def _dilate(taps: Tensor, dilation: Sequence[int]) -> Tensor:
    if max(dilation) == 1:
        return taps
    kernel_size = taps.shape[2:]
    # The centre, at k // 2, has to come to rest at half the dilated size: for an even k that takes d - 1 zeros behind.
    size = [d * k if k % 2 == 0 else d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    dilated = taps.new_zeros(*taps.shape[:2], *size)
    steps = (slice(0, d * (k - 1) + 1, d) for d, k in zip(dilation, kernel_size, strict=True))
    places = (slice(None), slice(None), *steps)
    dilated[places] = taps
    return dilated


def _is_pointwise(layer: nn.Module) -> bool:
    kernel_size = layer.kernel_size
    return isinstance(kernel_size, tuple) and max(kernel_size) == 1
