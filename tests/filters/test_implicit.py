import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from nifconv import (
    FourierFeatures,
    FrequencyConv2d,
    FrequencyFilter,
    ImplicitFilter,
    MultiScaleFeatures,
    niff_big,
    niff_small,
    niff_tiny,
)
from nifconv.filters import Neighbors
from nifconv.spectral import combine
from tests.filter_contract import FilterContract
from tests.tolerances import assert_near


class TestPeriodicCoordinates(FilterContract):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return ImplicitFilter(out_channels, in_channels, ndim, **changes)


class TestPixelCoordinatesInTwoTrunks(FilterContract):
    without_effect = ("imag.bias",)  # of the published networks, whose `.real` cancels it
    gain_tolerance = 0.2  # kernels that ring wrap around on a small map

    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        options = {"coordinates": "pixel", "shared_trunk": False, "activation": nn.GELU, **changes}
        return ImplicitFilter(out_channels, in_channels, ndim, **options)


class TestImageCoordinates(FilterContract):
    gain_sizes = (32,)  # see the docstring: the gain of image coordinates is stated at 32 pixels

    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return ImplicitFilter(out_channels, in_channels, ndim, coordinates="image", **changes)

    def test_resetting_draws_new_weights_of_the_same_gain(self, ndim: int) -> None:
        subject = self.make(64, 1, ndim)
        before = subject.taps(32)
        subject.reset_parameters()
        assert not torch.equal(subject.taps(32), before)
        assert_close(subject.gain(32).square().mean().sqrt().item(), subject.initial_gain, rtol=0.1, atol=0)


class TestMultiScaleFeatures(FilterContract):
    gradient_size = 13  # a smaller map would not train the weights of all offsets, by design

    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        encoding = MultiScaleFeatures(reach=6, features={1: 4, 2: 8, 3: 18}.get(ndim, 8))
        return ImplicitFilter(out_channels, in_channels, ndim, encoding=encoding, **changes)


class TestFourierFeatures(FilterContract):
    # Waves longer than a small map alias onto it, which makes the gain there depend on the draw of offsets.
    gain_sizes = (14, 28)

    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        encoding = FourierFeatures(reach=6, features=6)
        return ImplicitFilter(out_channels, in_channels, ndim, encoding=encoding, **changes)


def sequential(trunk: nn.Module, head: nn.Module, bias: Tensor) -> nn.Sequential:
    """The same weights in plain `nn.Linear`, the last one with this bias."""
    mlp = nn.Sequential()
    for layer in [*trunk, head]:
        if isinstance(layer, nn.SiLU):
            mlp.append(nn.SiLU())
        else:
            plain = nn.Linear(*reversed(layer.weight.shape), dtype=torch.float64)
            plain.weight.data = layer.weight.detach().double()
            plain.bias.data = bias if layer is head else layer.bias.detach().double()
            mlp.append(plain)
    return mlp


def full_response(subject: ImplicitFilter, coordinates: Tensor) -> Tensor:
    """Real and imaginary network at each bin of the full plane, `(..., inputs)` -> `(kernels, ...)`, complex."""
    real = sequential(subject.trunks[0], subject.real, subject.real.bias.detach().double())
    # Any bias of the imaginary part: `.real` cancels it.
    imag = sequential(subject.trunks[-1], subject.imag, torch.randn(len(subject.imag.weight), dtype=torch.float64))
    return torch.complex(real(coordinates), imag(coordinates)).movedim(-1, 0)


def from_minus_half(size: Sequence[int]) -> Tensor:
    """Integer coordinates -N/2 .. of all bins, counted upward, `(*size, d)`."""
    axes = [torch.arange(-(n // 2), n - n // 2, dtype=torch.float64) for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def coordinates_of(subject: ImplicitFilter, size: Sequence[int]) -> Tensor:
    """What the networks see at each bin of the full plane, written out."""
    bins = from_minus_half(size)
    frequencies = bins / torch.tensor(size, dtype=torch.float64)
    if subject.coordinates == "image":
        return bins
    if subject.coordinates == "pixel":
        return 2 * frequencies
    offsets = subject.encoding.draw(subject.ndim) if subject.encoding else Neighbors().draw(subject.ndim)
    waves = torch.exp(2j * math.pi * (frequencies @ offsets.double().T))
    return torch.cat([waves.real, waves.imag], -1)


def published(subject: ImplicitFilter, x: Tensor) -> Tensor:
    """Grabinski et al. 2024: two MLPs on integer coordinates -N/2 .. N/2 - 1, a complex product over all bins, `.real`.

    Depthwise or dense: a weight for each pair of output and input channel, summed over input channels.
    """
    bins = from_minus_half(x.shape[-2:])
    weights = torch.fft.ifftshift(full_response(subject, bins), dim=(-2, -1))
    weights = weights.unflatten(0, (subject.out_channels, subject.in_channels))
    if subject.in_channels == 1:
        product = torch.fft.fft2(x) * weights[:, 0]
    else:
        product = torch.einsum("bihw,oihw->bohw", torch.fft.fft2(x), weights)
    return torch.fft.ifft2(product).real


@pytest.mark.parametrize("groups", [6, 1], ids=["depthwise", "dense"])
@pytest.mark.parametrize("preset", [niff_small, niff_big, niff_tiny], ids=["small", "big", "tiny"])
@pytest.mark.parametrize("size", [(8, 8), (14, 14), (2, 6), (32, 32)])
def test_is_the_published_filter_given_its_weights(preset: Any, size: tuple[int, int], groups: int) -> None:
    layer = FrequencyConv2d(6, 6, groups=groups, bias=False, filter=preset, dtype=torch.float64)
    nn.init.normal_(layer.filter.real.bias)
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    with torch.no_grad():
        y, expected = layer(x), published(layer.filter, x)
    assert_close(y, expected, rtol=0, atol=1e-10 * expected.abs().max().item())


FULL_PLANE: dict[str, dict[str, Any]] = {
    "default": {},
    "two trunks": {"hidden": (8, 4), "shared_trunk": False},
    "neighbours of neighbours": {"encoding": Neighbors(2)},
    "multi-scale": {"encoding": MultiScaleFeatures(9, features=16)},
    "fourier": {"encoding": FourierFeatures(6, features=6)},
    "pixel": {"coordinates": "pixel"},
    "image": {"coordinates": "image"},
}


@pytest.mark.parametrize("setting", FULL_PLANE.values(), ids=FULL_PLANE)
@pytest.mark.parametrize(
    "size", [(1,), (2,), (7,), (8,), (6, 6), (7, 7), (5, 8), (8, 5), (1, 6), (4, 4, 4), (3, 5, 4), (2, 1, 5)]
)
def test_is_hermitian_on_the_full_grid(setting: dict[str, Any], size: tuple[int, ...]) -> None:
    """H[k] = conj H[-k], where the function itself, evaluated at every bin of the full plane, is not."""
    ndim = len(size)
    dims = tuple(range(-ndim, 0))
    if ndim == 1 and isinstance(setting.get("encoding"), FourierFeatures | MultiScaleFeatures):
        setting = {**setting, "encoding": replace(setting["encoding"], features=5)}
    subject = ImplicitFilter(3, 2, ndim, **setting).double()
    nn.init.normal_(subject.real.bias)
    with torch.no_grad():
        whole = torch.fft.ifftshift(full_response(subject, coordinates_of(subject, size)), dim=dims)
        mirror = torch.roll(whole.flip(dims), (1,) * ndim, dims).conj()
        expected = ((whole + mirror) / 2).unflatten(0, (3, 2))[..., : size[-1] // 2 + 1]
        assert_near(subject(size), expected)


def test_resetting_restores_the_offsets_too() -> None:
    subject = ImplicitFilter(2, 1, encoding=FourierFeatures(9))
    subject.offsets.fill_(123456)
    subject.reset_parameters()
    assert torch.equal(subject.offsets, FourierFeatures(9).draw(2))


def test_a_checkpoint_of_another_encoding_is_refused() -> None:
    one, other = (ImplicitFilter(2, 1, encoding=FourierFeatures(9, seed=s)) for s in (0, 1))
    with pytest.raises(RuntimeError, match=r"offsets are not those of FourierFeatures\(reach=9, features=16, seed=1\)"):
        other.load_state_dict(one.state_dict())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"hidden": ()}, ValueError, r"hidden=\(\) has no layer"),
        ({"hidden": (8, 0)}, ValueError, "hidden=0 must be at least 1"),
        ({"hidden": 8}, TypeError, "hidden=8 must hold one width for each hidden layer"),
        ({"activation": nn.SiLU()}, TypeError, r"activation=SiLU\(\) must make a module when called.*not nn\.SiLU\(\)"),
        ({"activation": torch.tanh}, TypeError, "activation=<built-in method tanh"),
        ({"hidden": (8.5,)}, TypeError, r"hidden=8\.5 must be an integer"),
        (
            {"coordinates": "polar"},
            ValueError,
            "coordinates='polar' is unknown; use one of 'periodic', 'pixel', 'image'",
        ),
        ({"encoding": 24}, TypeError, "encoding=24 must be None or an Encoding"),
        (
            {"encoding": FourierFeatures(24), "coordinates": "image"},
            ValueError,
            r"encoding=FourierFeatures\(reach=24.*coordinates='image'; use coordinates='periodic'",
        ),
        ({"band_limit": 8}, ValueError, "band_limit=8 is in cycles per image.*coordinates='periodic'"),
        ({"band_limit": 0, "coordinates": "image"}, ValueError, "band_limit=0 must be a finite number above 0"),
        ({"band_limit": "8", "coordinates": "image"}, TypeError, "band_limit='8' must be a number above 0"),
    ],
)
def test_refuses_invalid_arguments(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ImplicitFilter(4, 1, **changes)


def test_the_bias_of_the_published_imaginary_part_cancels() -> None:
    subject = niff_small(6, 1).double()
    before = subject((9, 8))
    nn.init.normal_(subject.imag.bias)
    after = subject((9, 8))
    assert_near(after, before)
    (gradient,) = torch.autograd.grad(after.abs().sum(), subject.imag.bias)
    assert gradient.abs().max() < 1e-12
    # Two networks 2-8-4-P with all their biases, as published.
    assert sum(p.numel() for p in subject.parameters()) == 2 * (3 * 8 + 9 * 4 + 5 * 6)


@pytest.mark.parametrize(
    "options",
    [{}, {"coordinates": "image", "shared_trunk": False, "band_limit": 3}],
    ids=["shared trunk", "two trunks with a limit"],
)
@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("terms", [1, 1000])  # which make it combine spectra, or heads
def test_combined_kernels_are_combinations_of_the_kernels(options: dict[str, Any], hooked: bool, terms: int) -> None:
    subject, weight = ImplicitFilter(6, 2, **options).double(), torch.randn(3, 6, dtype=torch.float64)
    nn.init.normal_(subject.real.bias)
    if hooked:
        subject.register_forward_hook(lambda module, arguments, output: 2 * output)

    def combination(kernels: Tensor) -> Tensor:
        return torch.einsum("ok,ki...->oi...", weight, kernels)

    found = subject.combined_as_real((7, 8), combination, terms)
    expected = combination(subject.spectrum_as_real((7, 8)))
    assert_near(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(found.sin().sum(), list(subject.parameters())),
        torch.autograd.grad(expected.sin().sum(), list(subject.parameters())),
        strict=True,
    ):
        assert_near(ours, theirs)


@pytest.mark.parametrize("size", [(7, 7), (14, 14)])
@pytest.mark.parametrize("terms", [2, 200])
def test_combining_takes_the_fewest_multiplications(size: tuple[int, int], terms: int) -> None:
    subject, weight = ImplicitFilter(8 * terms, 1), torch.randn(512, 8 * terms)

    def operations(terms: int) -> int:
        with FlopCounterMode(display=False) as counter:
            subject.combined_as_real(size, lambda kernels: combine(kernels, weight, 8), terms)
        return counter.get_total_flops()

    of_spectra, of_heads = operations(0), operations(10**9)
    assert operations(terms) == min(of_spectra, of_heads) < max(of_spectra, of_heads)


def test_the_outputs_of_a_spectrum_that_sums_over_channels_lie_side_by_side() -> None:
    dense = ImplicitFilter(6, 2).spectrum_as_real((7, 8))
    assert dense.permute(1, -1, 2, 3, 0).is_contiguous()
    assert ImplicitFilter(6, 1).spectrum_as_real((7, 8)).is_contiguous()
