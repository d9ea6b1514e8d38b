"""A filter given by a small network over frequency."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from nifconv import frequency
from nifconv._support.arguments import at_least_single, choice, ints_per_axis, positive_int
from nifconv._support.precision import full_precision
from nifconv.filters._base import DEFAULT_GAIN, FrequencyFilter
from nifconv.filters._budget import widths_within
from nifconv.filters._cache import kept_grid
from nifconv.filters._encoding import FourierFeatures, encode
from nifconv.filters._factory import FilterFactory
from nifconv.filters._least_squares import variable_projection

COORDINATES = ("pixel", "image")
# Maps that the initial gain is averaged over, by number of axes; as large as the cost of the draw allows.
_GAIN_SIZES = {1: (7, 8, 14, 28, 56, 112, 224), 2: (7, 8, 28, 56), 3: (7, 8, 14, 16)}
_TRIES = 20
# Raw pixel coordinates span no more than [-1, 1], on which a plain He-normal trunk hardly bends, and a smooth spectrum
# is a kernel of few pixels. Integers and waves need no widening.
_PIXEL_WIDENING = 3.0


class ImplicitFilter(FrequencyFilter):
    """An MLP from the coordinates of a frequency to the complex weights of all kernels at that frequency.

        features(f) = trunk(coordinates(f))          d or 2 * encoding.features -> hidden[0] -> .. -> hidden[-1]
        H[o, i](f)  = real(features)[o, i] + 1j * imag(features)[o, i]          linear, then project_hermitian

    It is evaluated on whatever grid the map needs, so the number of parameters is the same at every kernel size.

    With `coordinates="image", shared_trunk=False, encoding=None` and SiLU this is the filter of Grabinski, Keuper &
    Keuper 2024, sec. 3, for hidden widths (8, 4) or (16, 128, 32), up to the Hermitian projection, which an inverse
    real FFT applies in any case, and the initialisation.

    **Initialisation.** Kernels are linear in the head. The head is drawn so that they are isotropic in the space
    which the trunk spans: with the Gram matrix G of the basis kernels, weights are Z G^(-1/2) for a Gaussian Z. So no
    direction dominates (with PyTorch's default initialisation the constant, that is the identity kernel, does), and
    by Parseval the same G gives the gain. G is an average over small and large maps. On raw pixel coordinates the
    gain then holds within 10 % on maps of 7 pixels and more; with Fourier features it varies from map to map with
    the draw of offsets, by up to about a third.

    Args:
        out_channels, in_channels, ndim: see `FrequencyFilter`.
        hidden: widths of the hidden layers. The last one sets the number of parameters per kernel,
            2 * (hidden[-1] + 1), and how many shapes the kernels can be combined from.
        activation: makes the module behind each hidden layer; one that works on every frequency by itself.
        encoding: `FourierFeatures(reach)`, or None for raw coordinates. The encoding is in pixels.
        coordinates: "pixel", 2f in [-1, 1]: kernels keep their size in pixels on a larger map. "image", f * size,
            integers: they keep their size relative to the map; the gain then grows in proportion to the map, and
            `gain` holds at 32 pixels.
        shared_trunk: one trunk for real and imaginary parts, or one each.
        gain: initial std(output) / std(input) under white input.

    Raises:
        TypeError, ValueError: as `FrequencyFilter`; `hidden` empty or with a width below 1, or so narrow that the
            activation is zero everywhere; an `activation` that makes no module; unknown `coordinates`; an encoding
            other than `FourierFeatures`, or one together with image coordinates (a wave with a whole number of
            periods per pixel is constant); `gain` not above 0.
    """

    def __init__(
        self,
        out_channels: int,
        in_channels: int,
        ndim: int = 2,
        *,
        hidden: Sequence[int] = (16, 16),
        activation: Callable[[], nn.Module] = nn.SiLU,
        encoding: FourierFeatures | None = None,
        coordinates: str = "pixel",
        shared_trunk: bool = True,
        gain: float = DEFAULT_GAIN,
    ) -> None:
        super().__init__(out_channels, in_channels, ndim, gain=gain)
        self.coordinates = choice("coordinates", coordinates, COORDINATES)
        self.encoding = _check_encoding(encoding, coordinates)
        self.hidden = _check_hidden(hidden)
        self.offsets: Tensor | None
        self.register_buffer("offsets", encoding.draw(ndim) if encoding else None)
        inputs = 2 * encoding.features if encoding else ndim
        self.trunks = nn.ModuleList(_trunk(inputs, self.hidden, activation) for _ in range(1 if shared_trunk else 2))
        kernels = out_channels * in_channels
        self.real = _Linear(self.hidden[-1], kernels)
        self.imag = _Linear(self.hidden[-1], kernels)
        self.reset_parameters()

    @staticmethod
    def with_budget(
        parameters: int,
        *,
        activation: Callable[[], nn.Module] = nn.SiLU,
        encoding: FourierFeatures | None = None,
        coordinates: str = "pixel",
        shared_trunk: bool = True,
        gain: float = DEFAULT_GAIN,
    ) -> FilterFactory:
        """A factory of filters with two hidden layers that use the given number of parameters as fully as they can.

        For the channels of each layer, the widths are chosen such that the filter has at most `parameters`, and at
        least 90 % of them unless they are close to the minimum; among those the pair closest to
        hidden[0] = 2 * hidden[1], as in the published (8, 4).

        Args:
            parameters: of the filter of one layer.
            activation, encoding, coordinates, shared_trunk, gain: see the class.

        Raises:
            TypeError: `parameters` is not an integer.
            ValueError: it is below 1. The factory raises if it is too small for a layer, and says the minimum.

        >>> filter = ImplicitFilter.with_budget(1000)(64, 1)
        >>> sum(p.numel() for p in filter.parameters())
        992
        """
        positive_int("parameters", parameters)
        return functools.partial(
            _within_budget,
            parameters=parameters,
            activation=activation,
            encoding=encoding,
            coordinates=coordinates,
            shared_trunk=shared_trunk,
            gain=gain,
        )

    def _draw(self) -> None:
        if self.encoding and self.offsets is not None:
            self.offsets.copy_(self.encoding.draw(self.ndim))
        for _ in range(_TRIES):
            self._draw_trunks()
            gram = self._gram()
            energy, directions = torch.linalg.eigh(gram)
            # A few ReLUs may all be off on the whole band; the meta device has no values to tell.
            if gram.is_meta or energy[-1] > 0:
                break
        else:
            raise ValueError(
                f"hidden={self.hidden} with activation={type(self.trunks[0][1]).__name__} gave a trunk that is zero "  # type: ignore[index]
                f"at every frequency, {_TRIES} times; use wider layers or a smooth activation such as nn.SiLU"
            )
        # The floor keeps directions that hardly exist on these grids from being blown up.
        scale = (energy + 0.01 * energy[-1]).rsqrt()
        kernels = self.out_channels * self.in_channels
        weights = torch.randn(kernels, len(gram), dtype=gram.dtype, device=gram.device)
        weights = weights @ (directions * scale) @ directions.T
        gain = torch.einsum("ka,ab,kb->", weights, gram, weights).div(self.out_channels).sqrt()
        real, imag = (weights * (self.initial_gain / gain)).chunk(2, dim=1)
        self.real.weight.copy_(real)
        self.imag.weight.copy_(imag)
        nn.init.zeros_(self.real.bias)
        nn.init.zeros_(self.imag.bias)

    def _draw_trunks(self) -> None:
        raw = self.coordinates == "pixel" and self.encoding is None
        for trunk in self.trunks:
            layers = [module for module in trunk.children() if isinstance(module, _Linear)]
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                # Without a bias the trunk vanishes at f = 0, and with it every kernel on a map of one pixel.
                nn.init.uniform_(layer.bias, -1, 1)
            if raw:
                layers[0].weight.mul_(_PIXEL_WIDENING)

    def _gram(self) -> Tensor:
        """Scalar products of the basis kernels, averaged over maps, float64, `(2 * hidden[-1], 2 * hidden[-1])`."""
        sizes = _GAIN_SIZES[self.ndim] if self.coordinates == "pixel" else (32,)
        basis = [self._basis_taps((n,) * self.ndim).flatten(1) for n in sizes]
        return torch.stack([kernels @ kernels.T for kernels in basis]).mean(0)

    def _scale_(self, factor: float) -> None:
        for head in (self.real, self.imag):
            head.weight.mul_(factor)
            head.bias.mul_(factor)

    def _fit_(self, taps: Tensor, steps: int) -> None:
        size = tuple(taps.shape[2:])
        trunks = list(self.trunks.parameters())
        weights = variable_projection(
            lambda: self._basis_taps(size, bias=True).flatten(1), trunks, taps.flatten(0, 1).flatten(1), steps=steps
        )
        for head, part in zip((self.real, self.imag), weights.chunk(2, dim=1), strict=True):
            head.weight.copy_(part[:, :-1])
            head.bias.copy_(part[:, -1])

    def forward(self, size: Sequence[int]) -> Tensor:
        return torch.view_as_complex(self._projected(ints_per_axis("size", size, self.ndim)))

    def _pairs(self, size: Sequence[int]) -> Tensor:
        # Hooks, and what a subclass makes of `forward`, hold for layers too.
        plain = type(self).forward is ImplicitFilter.forward and not (self._forward_hooks or self._forward_pre_hooks)
        return self._projected(size) if plain else super()._pairs(size)

    def _projected(self, size: Sequence[int]) -> Tensor:
        """The spectrum as real and imaginary parts, `(out, in, *half_shape(size), 2)`."""
        with full_precision(self.real.weight.device):
            real, imag = self._features(size, at_least_single(self.real.weight.dtype))
            parts = torch.stack([_evaluate(self.real, real), _evaluate(self.imag, imag)])
        parts = rearrange(parts, "two ... (o i) -> o i ... two", o=self.out_channels)
        return frequency.project_pairs(parts, size)

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
        given = state_dict.get(f"{prefix}offsets")
        if self.encoding and isinstance(given, Tensor):
            own = self.encoding.draw(self.ndim)
            if given.shape != own.shape or not torch.equal(given.cpu(), own):
                error_msgs.append(
                    f"the checkpoint's {prefix}offsets are not those of {self.encoding}; build the filter with the "
                    "encoding it was saved with, then load"
                )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def extra_repr(self) -> str:
        encoding = f", encoding={self.encoding}" if self.encoding else ""
        return f"{super().extra_repr()}, coordinates={self.coordinates!r}{encoding}"

    def _features(self, size: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """What the real and the imaginary head work on, each `(*half_shape(size), hidden[-1])`."""
        frequencies = kept_grid(tuple(size), self.real.weight.device)
        if self.offsets is not None:
            inputs = encode(frequencies, self.offsets)
        elif self.coordinates == "pixel":
            inputs = 2 * frequencies
        else:
            inputs = frequencies * frequencies.new_tensor(size)
        features = [_evaluate(trunk, inputs.to(dtype)) for trunk in self.trunks]
        return features[0], features[-1]

    def _basis_taps(self, size: Sequence[int], *, bias: bool = False) -> Tensor:
        """The kernel that each weight of the two heads stands for, float64, `(2 * hidden[-1], *size)`.

        With `bias` the last kernel of each half is that of the head's bias.
        """
        features = self._features(size, torch.float64)
        if bias:
            features = (
                nn.functional.pad(features[0], (0, 1), value=1),
                nn.functional.pad(features[1], (0, 1), value=1),
            )
        real, imag = (rearrange(part, "... h -> h ...") for part in features)
        spectrum = torch.cat([torch.complex(real, torch.zeros_like(real)), torch.complex(torch.zeros_like(imag), imag)])
        return frequency.spectrum_to_taps(frequency.project_hermitian(spectrum, size), size)


def _within_budget(
    out_channels: int,
    in_channels: int,
    ndim: int = 2,
    *,
    parameters: int,
    activation: Callable[[], nn.Module],
    encoding: FourierFeatures | None,
    coordinates: str,
    shared_trunk: bool,
    gain: float,
) -> ImplicitFilter:
    """The filter of `ImplicitFilter.with_budget` for one layer."""
    inputs = 2 * encoding.features if encoding else ndim
    trunks = 1 if shared_trunk else 2
    kernels = out_channels * in_channels
    fixed = 2 * trunks * sum(p.numel() for p in _make(activation).parameters())
    hidden = widths_within(parameters, inputs=inputs, trunks=trunks, kernels=kernels, fixed=fixed)
    return ImplicitFilter(
        out_channels,
        in_channels,
        ndim,
        hidden=hidden,
        activation=activation,
        encoding=encoding,
        coordinates=coordinates,
        shared_trunk=shared_trunk,
        gain=gain,
    )


class _Linear(nn.Module):
    """`nn.Linear` under another type: initialisations and tools for a model's linear layers must not find it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}"


def _evaluate(module: nn.Module, x: Tensor) -> Tensor:
    """Runs a module in the dtype of its input: bf16 weights on float32 frequencies stay float32."""
    values = itertools.chain(module.named_parameters(), module.named_buffers())
    cast = {name: v.to(x.dtype) for name, v in values if v.is_floating_point() and v.dtype != x.dtype}
    return torch.func.functional_call(module, cast, (x,)) if cast else module(x)


def _trunk(inputs: int, widths: Sequence[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((inputs, *widths)):
        layers += [_Linear(before, after), _make(activation)]
    return nn.Sequential(*layers)


def _make(activation: Callable[[], nn.Module]) -> nn.Module:
    made: object = None
    if not isinstance(activation, nn.Module):
        with suppress(TypeError):  # a function of tensors, or nothing that can be called
            made = activation()
    if not isinstance(made, nn.Module):
        raise TypeError(f"activation={activation!r} must make a module when called, such as nn.SiLU, not nn.SiLU()")
    return made


def _check_hidden(hidden: Sequence[int]) -> tuple[int, ...]:
    if isinstance(hidden, str) or not isinstance(hidden, Iterable):
        raise TypeError(f"hidden={hidden!r} must hold one width for each hidden layer, such as (16, 16)")
    widths = tuple(positive_int("hidden", width) for width in hidden)
    if not widths:
        raise ValueError(f"hidden={hidden!r} has no layer; give at least one width, such as (16, 16)")
    return widths


def _check_encoding(encoding: FourierFeatures | None, coordinates: str) -> FourierFeatures | None:
    if encoding is None:
        return None
    if not isinstance(encoding, FourierFeatures):
        raise TypeError(f"encoding={encoding!r} must be None or FourierFeatures(reach, features, seed)")
    if coordinates == "image":
        raise ValueError(
            f"encoding={encoding} counts in pixels and cannot be combined with coordinates='image'; use "
            "coordinates='pixel', or encoding=None"
        )
    return encoding
