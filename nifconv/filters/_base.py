"""The base class of all filters: modules that give a frequency response for any map size."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from nifconv import frequency
from nifconv._support.arguments import ints_per_axis, positive_int
from nifconv.filters._cache import SpectrumCache
from nifconv.filters._drawn import DrawnModule

DEFAULT_GAIN = 3**-0.5  # kaiming_uniform_(a=sqrt(5)): weights of variance 1 / (3 * fan_in)
"""std(output) / std(input) of a newly initialised `nn.ConvNd` under white input, whatever its shape."""


class FrequencyFilter(DrawnModule):
    """The filters of one layer, a function of frequency that can be evaluated on the grid of any map.

    A subclass writes `_draw`, `_scale_`, and either `forward` or `_real_spectrum`, which returns spectra of
    real kernels: H(-f) = conj H(f) on the full grid, so `rfftn(irfftn(H)) == H` (see `nifconv.frequency`).

    Args:
        out_channels: number of output channels.
        in_channels: number of input channels that each output channel sees (those of its group).
        ndim: number of spatial axes, 1, 2 or 3.
        gain: initial std(output) / std(input) under white input, over all output channels.

    Attributes:
        initial_gain, frozen_seed, frozen_names: see `DrawnModule`.

    Raises:
        TypeError: a channel count or `ndim` is not an integer, or `gain` is not a number.
        ValueError: a channel count is below 1, `ndim` is not 1, 2 or 3, or `gain` is not above 0.
    """

    required: ClassVar[tuple[str, ...]] = ()
    """Keyword arguments without a default of the `__init__` in this class body. A layer fills in `kernel_size`."""

    def __init__(self, out_channels: int, in_channels: int, ndim: int = 2, *, gain: float = DEFAULT_GAIN) -> None:
        super().__init__(gain)
        self.out_channels = positive_int("out_channels", out_channels)
        self.in_channels = positive_int("in_channels", in_channels)
        self.ndim = positive_int("ndim", ndim)
        if ndim > 3:
            raise ValueError(f"ndim={ndim} must be 1, 2 or 3; fold further axes into the batch")
        self._cache = SpectrumCache()

    def forward(self, size: Sequence[int]) -> Tensor:
        """Frequency response H, complex, `(out_channels, in_channels, *half_shape(size))`, complex64 at least."""
        return torch.view_as_complex(self._real_spectrum(ints_per_axis("size", size, self.ndim)).contiguous())

    def _real_spectrum(self, size: Sequence[int]) -> Tensor:
        """H as real and imaginary parts, in any layout; for filters that need no complex arithmetic."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(size) or _real_spectrum(size)")

    def _fit_(self, taps: Tensor, steps: int) -> None:
        """Sets the weights so that `self.taps(size)` is as close as possible to `taps`, in the squared norm.

        Called on a float64 copy, without gradients. By default all weights are optimised; filters with a closed form
        override it.
        """
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.LBFGS(parameters, max_iter=steps, history_size=20, line_search_fn="strong_wolfe")
        # The error is relative, since the tolerances of L-BFGS are absolute; `tiny` is for a target of zeros.
        scale = taps.square().sum().clamp_min(torch.finfo(taps.dtype).tiny)

        def closure() -> float:
            optimizer.zero_grad()
            loss = (self.taps(tuple(taps.shape[2:])) - taps).square().sum() / scale
            loss.backward()
            return loss.item()

        with torch.enable_grad():
            optimizer.step(closure)

    def spectrum_as_real(self, size: Sequence[int]) -> Tensor:
        """`forward` as real and imaginary parts, `(out_channels, in_channels, *half_shape(size), 2)`.

        This is what layers call. In eval mode where no gradient is recorded, and for frozen filters always, the
        result is cached until a weight changes, and is the same tensor for every caller: do not write into it.
        """
        size = ints_per_axis("size", size, self.ndim)

        def compute() -> Tensor:
            return self._real_spectrum(size) if self._is_plain else torch.view_as_real(self(size).resolve_conj())

        return self.cached(("spectrum", size), compute)

    def combined_as_real(
        self,
        size: Sequence[int],
        combination: Callable[[Tensor], Tensor],
        terms: int,  # noqa: ARG002 - for filters that have a choice
    ) -> Tensor:
        """`combination(self.spectrum_as_real(size))`, possibly by combining weights that the kernels are linear in.

        Args:
            size: pixels of the map along each axis.
            combination: a linear map over the channel axes, `(out, in, *axes)` -> `(other out, other in, *axes)`,
                whatever the further axes.
            terms: how many kernels each combination sums.
        """
        return combination(self.spectrum_as_real(size))

    @property
    def _is_plain(self) -> bool:
        """Whether `_real_spectrum` is all of `forward`, whose hooks and overrides must hold for layers too."""
        hooked = self._forward_hooks or self._forward_pre_hooks
        return type(self).forward is FrequencyFilter.forward and not hooked

    def cached(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """`compute()`, a real tensor that depends on `key` and the weights, cached as `spectrum_as_real` is."""
        return self._cache.get(self, key, compute)

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
        return self.taps(size).square().flatten(1).sum(1).sqrt()  # (out, in * taps) -> (out,)

    def train(self, mode: bool = True) -> FrequencyFilter:
        self._cache.clear()  # only to free memory: a cached spectrum of another mode would not be returned
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> FrequencyFilter:
        self._cache.clear()  # its spectra lie on the device that the weights are leaving
        return super()._apply(*args, **kwargs)

    def extra_repr(self) -> str:
        seed = "" if self.frozen_seed is None else f", frozen_seed={self.frozen_seed}"
        return f"{self.out_channels}, {self.in_channels}, ndim={self.ndim}{seed}"

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
        # nn.Module reports the two shapes, but cannot know which arguments of the filter they follow from.
        own = {f"{prefix}{name}": value for name, value in (*self.named_parameters(), *self.named_buffers())}
        given = {key: getattr(state_dict.get(key), "shape", None) for key in own}
        wrong = [key for key, value in own.items() if given[key] is not None and given[key] != value.shape]
        # The parameters of an inner filter have been checked with those of the outer one already.
        if wrong and not any(wrong[0] in message for message in error_msgs):
            error_msgs.append(
                f"the checkpoint's {', '.join(wrong)} do not have the shapes of "
                f"{type(self).__name__}({self.extra_repr()}); the channels and the arguments of the filter must be "
                "those it was saved with: build the layer with them, then load"
            )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def initial_gains(model: torch.nn.Module) -> dict[str, float]:
    """The `initial_gain` of each filter in a model, which its state_dict does not hold."""
    return {name: module.initial_gain for name, module in model.named_modules() if isinstance(module, FrequencyFilter)}
