"""What every filter is: a module that answers for any map size."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nifconv import frequency
from nifconv._validate import ints_per_axis, positive_float, positive_int

DEFAULT_GAIN = 3**-0.5
"""std(output) / std(input) of a freshly made `nn.ConvNd` under white input, whatever its shape."""

FilterFactory = Callable[..., "FrequencyFilter"]
"""Called as `factory(out_channels, in_channels_per_group, ndim)`: a filter class, or a `functools.partial` of one."""


class FrequencyFilter(nn.Module, ABC):
    """The filters of one layer, a function of frequency that can be evaluated on the grid of any map.

    A subclass writes the abstract methods. What `forward` returns obeys `rfftn(irfftn(H)) == H`, so it is the
    spectrum of real kernels (see `nifconv.frequency`).

    Args:
        out_channels: number of output channels.
        in_channels: number of input channels that each output channel sees (those of its group).
        ndim: number of spatial axes, 1, 2 or 3.
        gain: initial std(output) / std(input) under white input, over all output channels.

    Attributes:
        initial_gain: the gain that the weights are drawn for.

    Raises:
        TypeError: a channel count or `ndim` is not an integer, or `gain` is not a number.
        ValueError: a channel count is below 1, `ndim` is not 1, 2 or 3, or `gain` is not above 0.
    """

    def __init__(self, out_channels: int, in_channels: int, ndim: int = 2, *, gain: float = DEFAULT_GAIN) -> None:
        super().__init__()
        self.out_channels = positive_int("out_channels", out_channels)
        self.in_channels = positive_int("in_channels", in_channels)
        self.ndim = positive_int("ndim", ndim)
        if ndim > 3:
            raise ValueError(f"ndim={ndim} must be 1, 2 or 3; fold further axes into the batch")
        self.initial_gain = positive_float("gain", gain)

    @abstractmethod
    def forward(self, size: Sequence[int]) -> Tensor:
        """Frequency response H, complex, `(out_channels, in_channels, *half_shape(size))`, complex64 at least."""

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draws all weights anew, for `initial_gain`."""

    def rescale_(self, factor: float) -> None:
        """Multiplies every kernel by `factor`, in place, and `initial_gain` with them."""
        self.initial_gain *= factor
        with torch.no_grad():
            for parameter in self._linear_parameters():
                parameter.mul_(factor)

    @abstractmethod
    def _linear_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that all kernels are proportional to, together."""

    def taps(self, size: int | Sequence[int]) -> Tensor:
        """The kernels on a map of `size`: real, `(out_channels, in_channels, *size)`, laid out as a conv weight.

        The centre is at index `size // 2` of each axis.
        """
        size = ints_per_axis("size", size, self.ndim)
        return frequency.spectrum_to_taps(self(size), size)

    def gain(self, size: int | Sequence[int]) -> Tensor:
        """std(output) / std(input) of each output channel under white input, `(out_channels,)`.

        The square root of sum_i mean_f |H[o, i](f)|^2, by Parseval that of sum_i sum_n h[o, i](n)^2.
        """
        return self.taps(size).square().flatten(1).sum(1).sqrt()

    def extra_repr(self) -> str:
        return f"{self.out_channels}, {self.in_channels}, ndim={self.ndim}"

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # nn.Module reports the two shapes; what they mean for a filter it cannot know.
        own = {f"{prefix}{key}": value for key, value in self.state_dict().items()}
        wrong = [key for key, value in own.items() if key in state_dict and state_dict[key].shape != value.shape]
        if wrong:
            error_msgs.append(
                f"the checkpoint's {', '.join(wrong)} belong to another filter than "
                f"{type(self).__name__}({self.extra_repr()}); the channels and the arguments of the filter must be "
                "those it was saved with: build the layer with them, then load"
            )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def needs_kernel_size(factory: FilterFactory) -> bool:
    """Whether a factory has to be told a kernel size: `SpatialFilter` does, a `partial` that binds one does not.

    Raises:
        TypeError: `factory` is not callable, or is a filter rather than what makes one.
    """
    if isinstance(factory, nn.Module) or not callable(factory):
        raise TypeError(
            f"filter={factory!r} must be a filter class or a functools.partial of one, called as "
            "filter(out_channels, in_channels_per_group, ndim); give ImplicitFilter, not ImplicitFilter(...)"
        )
    argument = inspect.signature(factory).parameters.get("kernel_size")
    return argument is not None and argument.default is inspect.Parameter.empty


def build_filter(
    factory: FilterFactory, out_channels: int, in_channels: int, ndim: int, kernel_size: tuple[int, ...] | None
) -> FrequencyFilter:
    """Calls a filter factory for one layer; one that asks for a `kernel_size` is given the layer's.

    Raises:
        TypeError: `factory` is not callable, or makes something other than a `FrequencyFilter`.
        ValueError: it needs a kernel size and the layer has none, or its filter has the wrong shape.
    """
    if not needs_kernel_size(factory):
        made = factory(out_channels, in_channels, ndim)
    elif kernel_size is None:
        raise ValueError(
            f"filter={factory!r} needs a kernel size, but kernel_size=None; give the layer a kernel_size, or bind "
            "one with functools.partial(filter, kernel_size=...)"
        )
    else:
        made = factory(out_channels, in_channels, ndim, kernel_size=kernel_size)
    if not isinstance(made, FrequencyFilter):
        raise TypeError(f"filter={factory!r} made a {type(made).__name__}; it must make a FrequencyFilter")
    shape = (made.out_channels, made.in_channels, made.ndim)
    if shape != (out_channels, in_channels, ndim):
        raise ValueError(
            f"filter={factory!r} made a filter with (out_channels, in_channels, ndim)={shape}, but the layer needs "
            f"{(out_channels, in_channels, ndim)}; use the arguments that the factory is called with"
        )
    return made
