"""The modules of a model that have kernels, and how to read these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nifconv._support.arguments import at_least_single
from nifconv.layers import Convolution, as_convolution, spatial_convolutions


@dataclass(frozen=True, eq=False)
class Subject:
    """A module with kernels.

    Attributes:
        name: qualified name in the model.
        module: the module that holds the weights.
        convolution: the module as a convolution, which knows its kernels.
    """

    name: str
    module: nn.Module
    convolution: Convolution

    @property
    def probe(self) -> nn.Module:
        """The module that is called with the map: this one, or one inside."""
        return self.convolution.probe

    @property
    def kind(self) -> str:
        """Name of the class."""
        return type(self.module).__name__

    @property
    def periodic(self) -> bool:
        """Whether the kernels are as large as a map with circular padding."""
        return self.convolution.is_periodic

    def taps(self, module: nn.Module, size: tuple[int, ...]) -> Tensor:
        """The kernels on a map of `size`, real, on the CPU, `(out_channels, in_channels_per_group, *taps)`.

        Args:
            module: the module, or a copy of it with other weights.
            size: size of the map, in pixels.

        Raises:
            ValueError: the module is on the meta device, so that its kernels have no values.
        """
        convolution = as_convolution(module)
        assert convolution is not None  # noqa: S101 - for the type checker
        taps = convolution.kernels(size)
        if taps.is_meta:
            raise ValueError(f"{self.kind} {self.name!r} is on the meta device and has no weights; load them first")
        # A copy, since training goes on to change the weights in place.
        values = taps.detach().to("cpu", at_least_single(taps.dtype), copy=True)
        return _dilate(values, convolution.dilation)


def find_subjects(model: nn.Module) -> list[Subject]:
    """All spatial convolutions of a model, apart from blocks whose kernels are multiples of those inside."""
    found = (Subject(*entry) for entry in spatial_convolutions(model))
    return [subject for subject in found if subject.convolution.has_own_kernels]


def _dilate(taps: Tensor, dilation: Sequence[int]) -> Tensor:
    if max(dilation) == 1:
        return taps
    kernel_size = taps.shape[2:]
    # The centre, at k // 2, has to lie at half the dilated size: for an even k that takes d - 1 zeros at the end.
    size = [d * k if k % 2 == 0 else d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    dilated = taps.new_zeros(*taps.shape[:2], *size)
    steps = (slice(0, d * (k - 1) + 1, d) for d, k in zip(dilation, kernel_size, strict=True))  # every d-th pixel
    places = (slice(None), slice(None), *steps)
    dilated[places] = taps
    return dilated
