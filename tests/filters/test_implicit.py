import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import FourierFeatures, FrequencyConv2d, FrequencyFilter, ImplicitFilter
from tests.contract import FilterContract
from tests.tolerances import assert_near

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "small": {"hidden": (8, 4)},
    "big": {"hidden": (16, 128, 32)},
    "two trunks": {"hidden": (8, 4), "shared_trunk": False},
    "tanh": {"activation": nn.Tanh},
    "fourier": {"encoding": FourierFeatures(24)},
    "fourier small": {"hidden": (8, 4), "encoding": FourierFeatures(24)},
    "image": {"coordinates": "image"},
    "published small": {"hidden": (8, 4), "coordinates": "image", "shared_trunk": False},
    "published big": {"hidden": (16, 128, 32), "coordinates": "image", "shared_trunk": False},
}


class TestRawCoordinates(FilterContract):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return ImplicitFilter(out_channels, in_channels, ndim, **changes)


class TestTwoTrunks(FilterContract):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return ImplicitFilter(out_channels, in_channels, ndim, shared_trunk=False, activation=nn.GELU, **changes)


class TestImageCoordinates(FilterContract):
    gain_sizes = (32,)  # see the docstring: the gain of image coordinates is stated at 32 pixels

    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return ImplicitFilter(out_channels, in_channels, ndim, coordinates="image", **changes)

    def test_resetting_draws_anew_with_the_same_gain(self, ndim: int) -> None:
        subject = self.make(64, 1, ndim)
        before = subject.taps(32)
        subject.reset_parameters()
        assert not torch.equal(subject.taps(32), before)
        assert_close(subject.gain(32).square().mean().sqrt().item(), subject.initial_gain, rtol=0.1, atol=0)


class TestFourierFeatures(FilterContract):
    # Waves longer than a small map alias onto it, which makes the gain there depend on the draw of offsets.
    gain_sizes = (14, 28)

    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        encoding = FourierFeatures(reach=6, features=6)
        return ImplicitFilter(out_channels, in_channels, ndim, encoding=encoding, **changes)


def published(subject: ImplicitFilter, x: Tensor) -> Tensor:
    """Grabinski et al. 2024: two MLPs on integer coordinates, a complex weight per bin, a product of rfft2."""
    height, width = x.shape[-2:]
    rows = torch.tensor([k if k < height // 2 else k - height for k in range(height)])
    columns = torch.arange(width // 2 + 1)
    coordinates = torch.stack([rows[:, None].expand(-1, len(columns)), columns.expand(height, -1)], -1).to(x.dtype)
    parts = []
    for trunk, head in ((subject.trunks[0], subject.real), (subject.trunks[1], subject.imag)):
        mlp = nn.Sequential()
        for layer in [*trunk, head]:
            if isinstance(layer, nn.Linear):
                plain = nn.Linear(layer.in_features, layer.out_features, dtype=x.dtype)
                plain.load_state_dict(layer.state_dict())
                mlp.append(plain)
            else:
                mlp.append(nn.SiLU())
        parts.append(mlp(coordinates).permute(2, 0, 1))
    weights = torch.complex(*parts)
    # The Hermitian projection, bin by bin, on the two self-conjugate columns of an even map.
    mirror = torch.arange(height).neg() % height
    for column in (0, width // 2):
        weights[:, :, column] = (weights[:, :, column] + weights[:, mirror, column].conj()) / 2
    return torch.fft.irfft2(torch.fft.rfft2(x) * weights, s=(height, width))


@pytest.mark.parametrize("hidden", [(8, 4), (16, 128, 32)])
@pytest.mark.parametrize("size", [8, 14, 32])
def test_is_the_published_filter_given_its_weights(hidden: tuple[int, ...], size: int) -> None:
    def make(out: int, in_: int, ndim: int) -> ImplicitFilter:
        return ImplicitFilter(out, in_, ndim, hidden=hidden, coordinates="image", shared_trunk=False)

    layer = FrequencyConv2d(6, 6, groups=6, bias=False, filter=make, dtype=torch.float64)
    assert isinstance(layer.filter, ImplicitFilter)
    nn.init.normal_(layer.filter.real.bias)
    nn.init.normal_(layer.filter.imag.bias)
    x = torch.randn(2, 6, size, size, dtype=torch.float64)
    with torch.no_grad():
        assert_near(layer(x), published(layer.filter, x))


def parameters(subject: nn.Module) -> int:
    return sum(p.numel() for p in subject.parameters())


def test_parameter_count_is_that_of_the_layers_and_not_of_the_kernel() -> None:
    heads = 2 * (4 + 1) * 30
    assert parameters(ImplicitFilter(10, 3, hidden=(8, 4))) == 2 * 8 + 8 + 8 * 4 + 4 + heads
    assert parameters(ImplicitFilter(10, 3, hidden=(8, 4), shared_trunk=False)) == 2 * (2 * 8 + 8 + 8 * 4 + 4) + heads


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("seed", range(5))
def test_fresh_kernels_are_diverse(setting: dict[str, Any], seed: int) -> None:
    torch.manual_seed(seed)
    subject = ImplicitFilter(64, 1, **setting)
    for size in (7, 14, 28, 56):
        kernels = subject.taps(size).detach().double().flatten(1)
        centre = kernels[:, size // 2 * size + size // 2].square() / kernels.square().sum(1)
        unit = nn.functional.normalize(kernels)
        cosine = (unit @ unit.T).abs()
        between = (cosine.sum() - len(unit)) / (len(unit) * (len(unit) - 1))
        assert centre.mean() <= 0.5
        assert between <= 0.55


@pytest.mark.parametrize("name", ["default", "small", "big", "two trunks", "tanh"])
def test_initial_gain_does_not_depend_on_the_map(name: str) -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        layer = FrequencyConv2d(32, 32, groups=32, filter=lambda *shape: ImplicitFilter(*shape, **SETTINGS[name]))
        stated = 3**-0.5
        for size in (7, 8, 14, 28, 56, 112, 224):
            x = torch.randn(1 + 4000 // size**2, 32, size, size)
            with torch.no_grad():
                measured = (layer(x).std() / x.std()).item()
            assert_close(measured, stated, rtol=0.1, atol=0)


def test_fourier_features_keep_the_gain_within_a_third_also_where_they_alias() -> None:
    ratios = []
    for seed in range(5):
        torch.manual_seed(seed)
        subject = ImplicitFilter(64, 1, hidden=(16, 16), encoding=FourierFeatures(24, seed=seed))
        ratios += [subject.gain(size).square().mean().sqrt().item() * math.sqrt(3) for size in (7, 8, 14, 28, 56)]
    assert min(ratios) > 0.67
    assert max(ratios) < 1.33


def test_pixel_coordinates_keep_the_kernel_in_pixels_and_image_coordinates_relative_to_the_map() -> None:
    pixel = ImplicitFilter(8, 1, 1, activation=nn.Tanh).double()
    image = ImplicitFilter(8, 1, 1, activation=nn.Tanh, coordinates="image").double()
    # The same frequency per sample, and the same number of periods per map, on maps of 16 and 32.
    assert_near(pixel((16,))[..., 1:8], pixel((32,))[..., 2:16:2])
    assert_near(image((16,))[..., 1:8], image((32,))[..., 1:8])


def test_a_kernel_reaches_as_far_as_its_fourier_features() -> None:
    far = ImplicitFilter(32, 1, 1, encoding=FourierFeatures(reach=24)).taps(128).square().mean((0, 1))
    near = ImplicitFilter(32, 1, 1).taps(128).square().mean((0, 1))
    outside = torch.arange(-64, 64).abs() > 8
    assert far[outside].sum() / far.sum() > 0.4
    assert near[outside].sum() / near.sum() < 0.2


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"hidden": ()}, ValueError, r"hidden=\(\) has no layer"),
        ({"hidden": (8, 0)}, ValueError, "hidden=0 must be at least 1"),
        ({"hidden": (8.5,)}, TypeError, r"hidden=8\.5 must be an integer"),
        ({"coordinates": "polar"}, ValueError, "coordinates='polar' is unknown; use one of 'pixel', 'image'"),
        ({"encoding": 24}, TypeError, "encoding=24 must be None or FourierFeatures"),
        (
            {"encoding": FourierFeatures(24), "coordinates": "image"},
            ValueError,
            r"encoding=FourierFeatures\(reach=24.*coordinates='image'; use coordinates='pixel'",
        ),
    ],
)
def test_refuses_senseless_arguments(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ImplicitFilter(4, 1, **changes)
