"""What every filter is: a module that answers for any map size."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nifconv import frequency
from nifconv._support.arguments import integer, ints_per_axis, positive_float, positive_int
from nifconv._support.randomness import seeded
from nifconv.filters._cache import SpectrumCache

DEFAULT_GAIN = 3**-0.5
"""std(output) / std(input) of a freshly made `nn.ConvNd` under white input, whatever its shape."""


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
        frozen_seed: where the weights come from if the filter is frozen, else None.
        frozen_names: the buffers that would be parameters if the filter were not frozen.

    Raises:
        TypeError: a channel count or `ndim` is not an integer, or `gain` is not a number.
        ValueError: a channel count is below 1, `ndim` is not 1, 2 or 3, or `gain` is not above 0.
    """

    shared: ClassVar[bool] = False
    """Whether other layers may hold the same weights."""

    def __init__(self, out_channels: int, in_channels: int, ndim: int = 2, *, gain: float = DEFAULT_GAIN) -> None:
        super().__init__()
        self.out_channels = positive_int("out_channels", out_channels)
        self.in_channels = positive_int("in_channels", in_channels)
        self.ndim = positive_int("ndim", ndim)
        if ndim > 3:
            raise ValueError(f"ndim={ndim} must be 1, 2 or 3; fold further axes into the batch")
        self.initial_gain = positive_float("gain", gain)
        self.frozen_seed: int | None = None
        self.frozen_names: tuple[str, ...] = ()
        self._cache = SpectrumCache()

    @abstractmethod
    def forward(self, size: Sequence[int]) -> Tensor:
        """Frequency response H, complex, `(out_channels, in_channels, *half_shape(size))`, complex64 at least."""

    @abstractmethod
    def _draw(self) -> None:
        """Sets all weights to random ones of `initial_gain`, from the global random state; runs without gradients."""

    @abstractmethod
    def _scale_(self, factor: float) -> None:
        """Multiplies every kernel by `factor` through the weights, in place; runs without gradients."""

    def _fit_(self, taps: Tensor, steps: int) -> None:
        """Sets the weights such that `self.taps(size)` is as close as possible to `taps`, in the squared norm.

        Called on a float64 copy, without gradients. This one descends on all weights; filters that know better
        override it.
        """
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.LBFGS(parameters, max_iter=steps, history_size=20, line_search_fn="strong_wolfe")
        scale = taps.square().sum().clamp_min(torch.finfo(taps.dtype).tiny)

        def closure() -> float:
            optimizer.zero_grad()
            loss = (self.taps(tuple(taps.shape[2:])) - taps).square().sum() / scale
            loss.backward()
            return loss.item()

        with torch.enable_grad():
            optimizer.step(closure)

    def reset_parameters(self) -> None:
        """Draws all weights anew, for `initial_gain`; a frozen filter gets the weights of its seed again."""
        if self.frozen_seed is not None:
            source = self.twin(seed=self.frozen_seed, gain=self.initial_gain)
        with torch.no_grad():
            if self.frozen_seed is None:
                self._draw()
            else:
                for name in self.frozen_names:
                    self.get_buffer(name).copy_(source.get_buffer(name))

    def rescale_(self, factor: float) -> None:
        """Multiplies every kernel by `factor`, in place, and `initial_gain` with them."""
        self.initial_gain *= factor
        if self.frozen_seed is not None:
            # Drawn again rather than multiplied, so that the weights stay a function of seed and gain, bit by bit.
            self.reset_parameters()
        else:
            with torch.no_grad():
                self._scale_(factor)

    def freeze_(self, seed: int) -> None:
        """Turns the parameters into buffers and draws them from `seed`; see `nifconv.frozen`.

        Raises:
            TypeError: `seed` is not an integer.
            ValueError: there is no parameter, so that no draw would come from `seed`; a filter inside is frozen
                already, or belongs to other layers too.
        """
        seed = integer("seed", seed)
        for inside in self.modules():
            if isinstance(inside, FrequencyFilter) and (inside.shared or inside.frozen_seed is not None):
                state = "shared by many layers" if inside.shared else "frozen already"
                raise ValueError(
                    f"seed={seed} cannot draw {type(inside).__name__}({inside.extra_repr()}), which is {state}; freeze "
                    "a filter once, and a bank through what it holds: FilterBank(frozen(filter, seed=...), kernels)"
                )
        names = []
        for prefix, module in self.named_modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                delattr(module, name)
                module.register_buffer(name, parameter.detach())
                names.append(f"{prefix}.{name}" if prefix else name)
        if not names:
            raise ValueError(
                f"seed={seed} has nothing to draw: {type(self).__name__}({self.extra_repr()}) has no parameters; "
                "freeze a filter that is learned"
            )
        self.frozen_seed, self.frozen_names = seed, tuple(names)
        self.reset_parameters()

    def twin(self, *, seed: int, gain: float) -> FrequencyFilter:
        """A copy of a frozen filter, on the CPU, with the weights that another seed and gain give it."""
        twin = copy.deepcopy(self).cpu()
        dtype = twin.get_buffer(twin.frozen_names[0]).dtype
        twin.float()
        twin.frozen_seed, twin.initial_gain = None, gain
        with seeded(seed):
            twin.reset_parameters()
        twin.frozen_seed = seed
        return twin.to(dtype)

    def pairs(self, size: Sequence[int]) -> Tensor:
        """`forward` as real and imaginary parts, `(out_channels, in_channels, *half_shape(size), 2)`.

        What layers call. In eval mode, and for frozen filters always, the result is kept until a weight changes, and
        is the same tensor for every caller: do not write into it.
        """
        size = ints_per_axis("size", size, self.ndim)
        return self.kept(("pairs", size), lambda: self._pairs(size))

    def kept(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """`compute()`, a real tensor that depends on `key` and the weights, or what it gave before; see `pairs`."""
        return self._cache.get(self, key, compute)

    def _pairs(self, size: Sequence[int]) -> Tensor:
        return torch.view_as_real(self(size).resolve_conj())

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

    def train(self, mode: bool = True) -> FrequencyFilter:
        self._cache.clear()
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> FrequencyFilter:
        self._cache.clear()  # on the device that the weights leave
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
        # nn.Module reports the two shapes; what they mean for a filter it cannot know.
        own = {f"{prefix}{name}": value for name, value in (*self.named_parameters(), *self.named_buffers())}
        given = {key: getattr(state_dict.get(key), "shape", None) for key in own}
        wrong = [key for key, value in own.items() if given[key] is not None and given[key] != value.shape]
        # A filter inside another one is checked with it already.
        if wrong and not any(wrong[0] in message for message in error_msgs):
            error_msgs.append(
                f"the checkpoint's {', '.join(wrong)} belong to another filter than "
                f"{type(self).__name__}({self.extra_repr()}); the channels and the arguments of the filter must be "
                "those it was saved with: build the layer with them, then load"
            )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
