"""A filter given by a small network over frequency."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nifconv import frequency
from nifconv._support.arguments import at_least_single, choice, ints_per_axis
from nifconv._support.matrices import bmm
from nifconv._support.precision import full_precision
from nifconv.filters._base import DEFAULT_GAIN, FrequencyFilter
from nifconv.filters._budget import Budget
from nifconv.filters._cache import cached_grid
from nifconv.filters._coordinates import RawCoordinates, Waves, check_band_limit, check_encoding
from nifconv.filters._encoding import Encoding, Neighbors
from nifconv.filters._factory import FilterFactory
from nifconv.filters._least_squares import variable_projection
from nifconv.filters._mlp import Linear, evaluate, hidden_widths, make_activation, make_trunk
from nifconv.filters._spec import savable

COORDINATES = ("periodic", "pixel", "image")
# Maps that the initial gain is averaged over, by number of axes; as large as the cost of an initialisation allows.
_GAIN_SIZES = {1: (7, 8, 14, 28, 56, 112, 224), 2: (7, 8, 28, 56), 3: (7, 8, 14, 16)}
_TRIES = 20  # how often the trunk is initialised until it is not zero everywhere


@savable()
class ImplicitFilter(FrequencyFilter):
    """An MLP from the coordinates of a frequency to the complex weights of all kernels at that frequency.

        features(f) = trunk(coordinates(f))                         inputs -> hidden[0] -> .. -> hidden[-1]
        Re H[o, i](f) = real((features(f) + features(-f)) / 2)[o, i]                                 linear
        Im H[o, i](f) = imag((features(f) - features(-f)) / 2)[o, i]            linear, where a bias cancels

    So H(-f) = conj H(f) over the whole plane, as the spectrum of a real kernel has: H is (H0(f) + conj H0(-f)) / 2
    for the function H0 = real + 1j * imag of the features, which is what a product over the full plane followed by
    `.real` applies. It is evaluated on whatever grid the map needs, so the number of parameters is the same at every
    kernel size.

    With `coordinates="image", shared_trunk=False` and SiLU this is the filter of Grabinski, Keuper & Keuper 2024,
    sec. 3, for hidden widths (8, 4) or (16, 128, 32), up to the initialisation. With two trunks it also has the bias of
    their imaginary part, which `.real` cancels, so that published weights fit.

    **Initialisation.** Kernels are isotropic in the space that the trunk spans, so that no direction dominates (with
    PyTorch's default initialisation the constant, that is the identity kernel, does). Their gain is averaged over small
    and large maps. In periodic coordinates it is the same on every map that holds the offsets; with offsets beyond the
    map it varies by up to about a third.

    Args:
        out_channels, in_channels, ndim: see `FrequencyFilter`.
        hidden: widths of the hidden layers, or a `Budget` of parameters. The last width sets the number of parameters
            per kernel, 2 * hidden[-1] + 1 (+ 1 with two trunks), and how many shapes the kernels can be combined from.
        activation: factory of the module after each hidden layer, which must act on each frequency separately.
        encoding: offsets of the periodic coordinates; None for the neighbours of the centre: kernels start local.
            `MultiScaleFeatures(reach)` starts local and can learn to reach far in any direction;
            `FourierFeatures(reach)` starts spread over the whole box.
        coordinates: "periodic", e^(2 pi i f . n) for the integer offsets n of the encoding: taps are the same on every
            map. "pixel", 2f in [-1, 1): kernels keep their size in pixels too, but H jumps at the Nyquist frequency,
            so they ring along the axes. "image", f * size, integers: kernels keep their size relative to the map, and
            ring; the gain grows in proportion to the map, and `gain` holds at 32 pixels.
        band_limit: with image coordinates, the frequency in cycles per image, along any axis, above which H is zero,
            as in Fourier neural operators (Li et al. 2021). On a larger map the network is then not asked for
            frequencies that it was not trained on. None for no limit.
        shared_trunk: one trunk for real and imaginary parts, or one each.
        gain: initial std(output) / std(input) under white input.

    Raises:
        TypeError, ValueError: as `FrequencyFilter`; `hidden` empty or with a width below 1, too small a budget, or
            widths so narrow that the activation is zero everywhere; an `activation` that does not make a module;
            unknown `coordinates`; an encoding of another type, or with coordinates other than "periodic"; a
            `band_limit` of 0 or less, or with coordinates other than "image"; `gain` not above 0.
    """

    def __init__(
        self,
        out_channels: int,
        in_channels: int,
        ndim: int = 2,
        *,
        hidden: Sequence[int] | Budget = (16, 16),
        activation: Callable[[], nn.Module] = nn.SiLU,
        encoding: Encoding | None = None,
        coordinates: str = "periodic",
        band_limit: float | None = None,
        shared_trunk: bool = True,
        gain: float = DEFAULT_GAIN,
    ) -> None:
        super().__init__(out_channels, in_channels, ndim, gain=gain)
        self.coordinates = choice("coordinates", coordinates, COORDINATES)
        self.encoding = check_encoding(encoding, coordinates)
        self.band_limit = check_band_limit(band_limit, coordinates)
        # Saved, so that a checkpoint of other random offsets is refused.
        self.offsets: Tensor | None
        self.register_buffer("offsets", encoding.draw(ndim) if encoding else None)
        self.inputs = self._coordinates()
        trunks, kernels = 1 if shared_trunk else 2, self.out_channels * self.in_channels
        if isinstance(hidden, Budget):
            imag_bias = 0 if shared_trunk else kernels
            # Two activations in each trunk, which may have parameters of their own.
            fixed = imag_bias + 2 * trunks * sum(p.numel() for p in make_activation(activation).parameters())
            hidden = hidden.widths(inputs=self.inputs.count, trunks=trunks, kernels=kernels, fixed=fixed)
        self.hidden = hidden_widths(hidden)
        self.trunks = nn.ModuleList(make_trunk(self.inputs.count, self.hidden, activation) for _ in range(trunks))
        self.real = Linear(self.hidden[-1], kernels)
        # The networks of Grabinski, Keuper & Keuper 2024 have a bias here, so that their weights and parameter counts
        # need it, though it cancels.
        self.imag = Linear(self.hidden[-1], kernels, bias=not shared_trunk)
        self.reset_parameters()

    @staticmethod
    def with_budget(parameters: int, **options: Any) -> FilterFactory:
        """A factory of filters with two hidden layers, as wide as the budget allows: `hidden=Budget(parameters)`.

        Args:
            parameters: largest number of parameters of the filter of one layer; see `Budget`.
            options: other keyword arguments of `ImplicitFilter`.

        Raises:
            TypeError, ValueError: as `Budget`.

        >>> filter = ImplicitFilter.with_budget(1000)(64, 1)
        >>> 900 <= sum(p.numel() for p in filter.parameters()) <= 1000
        True
        """
        return functools.partial(ImplicitFilter, hidden=Budget(parameters), **options)

    def _coordinates(self) -> Waves | RawCoordinates:
        if self.coordinates != "periodic":
            return RawCoordinates(self.ndim, image=self.coordinates == "image")
        encoding = self.encoding or Neighbors()
        offsets = encoding.draw(self.ndim)
        amplitudes = encoding.amplitudes(offsets)
        return Waves(tuple(map(tuple, offsets.tolist())), tuple(amplitudes.tolist()))

    def _draw(self) -> None:
        if self.encoding and self.offsets is not None:
            self.offsets.copy_(self.encoding.draw(self.ndim))
        for _ in range(_TRIES):
            self._draw_trunks()
            grams = self._grams()
            # A few ReLUs may be off at all frequencies of a map; on the meta device there are no values to tell.
            if grams.is_meta or grams.amax((1, 2)).min() > 0:
                break
        else:
            raise ValueError(
                f"hidden={self.hidden} with activation={type(self.trunks[0][1]).__name__} gave a trunk that is zero "  # type: ignore[index]
                f"at every frequency, {_TRIES} times; use wider layers or a smooth activation such as nn.SiLU"
            )
        # Kernels are linear in the heads. With the Gram matrix G of the basis kernels and a Gaussian Z, weights
        # Z G^(-1/2) make them isotropic in the space that the basis spans; by Parseval the same G gives their gain.
        gram = grams.mean(0)
        energy, directions = torch.linalg.eigh(gram)
        # The floor keeps directions that hardly exist on these grids from being blown up.
        scale = (energy + 0.01 * energy[-1]).rsqrt()
        kernels = self.out_channels * self.in_channels
        weights = torch.randn(kernels, len(gram), dtype=gram.dtype, device=gram.device)
        weights = weights @ (directions * scale) @ directions.T
        gain = torch.einsum("ka,ab,kb->", weights, gram, weights).div(self.out_channels).sqrt()
        real, imag = (weights * (self.initial_gain / gain)).chunk(2, dim=1)
        self.real.weight.copy_(real)
        self.imag.weight.copy_(imag)
        for head in (self.real, self.imag):
            if head.bias is not None:
                nn.init.zeros_(head.bias)

    def _draw_trunks(self) -> None:
        for trunk in self.trunks:
            for layer in trunk.children():
                if isinstance(layer, Linear):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    # Without a bias the trunk vanishes at f = 0, and with it every kernel on a map of one pixel.
                    nn.init.uniform_(layer.bias, -1, 1)
            first = trunk.first.weight  # type: ignore[union-attr]
            first.mul_(first.new_tensor(self.inputs.widening))  # type: ignore[operator]

    def _grams(self) -> Tensor:
        """Scalar products of the basis kernels on some maps, float64, `(maps, 2 * hidden[-1], 2 * hidden[-1])`."""
        sizes = (32,) if self.coordinates == "image" else _GAIN_SIZES[self.ndim]
        basis = [self._basis_taps((n,) * self.ndim).flatten(1) for n in sizes]
        return torch.stack([kernels @ kernels.T for kernels in basis])

    def _scale_(self, factor: float) -> None:
        for weight in (self.real.weight, self.real.bias, self.imag.weight):
            weight.mul_(factor)

    def _fit_(self, taps: Tensor, steps: int) -> None:
        size, last = tuple(taps.shape[2:]), self.hidden[-1]
        trunks = list(self.trunks.parameters())
        weights = variable_projection(
            lambda: self._basis_taps(size, bias=True).flatten(1), trunks, taps.flatten(0, 1).flatten(1), steps=steps
        )
        # (kernels, functions): the weights of the real head, those of the imaginary one, and the bias
        self.real.weight.copy_(weights[:, :last])
        self.imag.weight.copy_(weights[:, last:-1])
        self.real.bias.copy_(weights[:, -1])

    def combined_as_real(self, size: Sequence[int], combination: Callable[[Tensor], Tensor], terms: int) -> Tensor:
        size, weights = ints_per_axis("size", size, self.ndim), 2 * (self.hidden[-1] + 1)
        values = 2 * math.prod(frequency.half_shape(size))
        # Kernels are linear in the heads too, which is less to combine, but their spectra have yet to be evaluated: a
        # sum of few terms that passes through memory once more, and so counts twice.
        if not self._is_plain or terms * values <= weights * (terms + values):
            return super().combined_as_real(size, combination, terms)
        return self._evaluated(combination, size)

    def _real_spectrum(self, size: Sequence[int]) -> Tensor:
        return self._evaluated(lambda heads: heads, size)

    def _evaluated(self, combination: Callable[[Tensor], Tensor], size: Sequence[int]) -> Tensor:
        """The spectrum of combined heads; with outputs side by side in memory where channels are summed."""
        with full_precision(self.real.weight.device):
            dtype = at_least_single(self.real.weight.dtype)
            heads = combination(self._heads(dtype))
            # Axes are moved without einops, whose parser torch.compile would trace on each call.
            features = torch.stack(self._features(size, heads.dtype)).movedim(-1, 1)
            features = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)  # (2, hidden[-1] + 1, *half)
            features, half = self._limited(features, size).to(heads.dtype).flatten(2), frequency.half_shape(size)
            if heads.shape[1] == 1:
                parts = torch.bmm(heads[:, 0].transpose(0, 1), features)  # (2, out, bins)
                return parts.unflatten(2, half).movedim(0, -1).unsqueeze(1).contiguous()
            # One product for each input and part, whose result is written where the engine reads it.
            by_input = heads.permute(1, 2, 3, 0).flatten(0, 1)  # (in * 2, hidden[-1] + 1, out)
            parts = bmm(features.mT.repeat(heads.shape[1], 1, 1), by_input)  # (in * 2, bins, out)
        parts = parts.unflatten(1, half).unflatten(0, (-1, 2))  # (in, 2, *half, out)
        return parts.movedim(1, -1).movedim(-2, 0)

    def _heads(self, dtype: torch.dtype) -> Tensor:
        """The weights of both linear heads, `(out, in, 2, hidden[-1] + 1)`: a bias is that of a constant feature.

        They are applied together, not by calls of `real` and `imag`.
        """
        real, imag = self.real, self.imag
        # A bias of the imaginary part cancels, and its gradient is zero.
        constant = imag.weight.new_zeros(len(imag.weight)) if imag.bias is None else imag.bias - imag.bias
        columns = [real.weight, real.bias[:, None], imag.weight, constant[:, None]]
        heads = torch.cat([column.to(dtype) for column in columns], dim=1)
        return heads.view(self.out_channels, self.in_channels, 2, -1)

    def _features(self, size: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The inputs of the real and of the imaginary head, each `(*half_shape(size), hidden[-1])`."""
        inputs = cached_grid(self.inputs, tuple(size), dtype, self.real.weight.device)
        trained = self.inputs.trained(size, inputs.device)
        found = [evaluate(trunk, inputs, trained) for trunk in self.trunks]  # (2, *half, hidden[-1]), at f and -f
        # Even and odd in f, as real and imaginary part of the spectrum of a real kernel are.
        return (found[0][0] + found[0][1]) / 2, (found[-1][0] - found[-1][1]) / 2

    def _limited(self, spectrum: Tensor, size: Sequence[int]) -> Tensor:
        """`spectrum`, `(..., *half_shape(size))`, with zeros above the band limit."""
        if self.band_limit is None:
            return spectrum
        coordinates = RawCoordinates(self.ndim, image=True)
        # Integers in float64, (*half, ndim); the second half of the grid, at -f, has the same magnitudes.
        cycles, _ = cached_grid(coordinates, tuple(size), torch.float64, spectrum.device)
        # Whole numbers, but k / n * n may be a rounding error above k.
        return spectrum * (cycles.round().abs() <= self.band_limit).all(-1)

    def _basis_taps(self, size: Sequence[int], *, bias: bool = False) -> Tensor:
        """The kernel that each weight of the two heads multiplies, float64, `(2 * hidden[-1], *size)`.

        With `bias` the kernel of the bias comes last.
        """
        real, imag = (part.movedim(-1, 0) for part in self._features(size, torch.float64))
        basis = [torch.complex(real, torch.zeros_like(real)), torch.complex(torch.zeros_like(imag), imag)]
        # The bias adds the same to Re H at all frequencies: the identity kernel.
        spectrum = torch.cat([*basis, torch.ones_like(basis[0][:1])] if bias else basis)
        return frequency.spectrum_to_taps(self._limited(spectrum, size), size)

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
            own = self.encoding.draw(self.ndim)  # not `self.offsets`, which has no values on the meta device
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
        limit = "" if self.band_limit is None else f", band_limit={self.band_limit}"
        return f"{super().extra_repr()}, coordinates={self.coordinates!r}{encoding}{limit}"
