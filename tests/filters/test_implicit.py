import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import FourierFeatures, FrequencyConv2d, FrequencyFilter, ImplicitFilter, niff_big, niff_small, niff_tiny
from tests.filter_contract import FilterContract
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
            if not isinstance(layer, nn.SiLU):
                plain = nn.Linear(*reversed(layer.weight.shape), dtype=x.dtype)
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
@pytest.mark.parametrize("size", [(8, 8), (14, 14), (32, 32), (8, 14)])
def test_is_the_published_filter_given_its_weights(hidden: tuple[int, ...], size: tuple[int, int]) -> None:
    def make(out: int, in_: int, ndim: int) -> ImplicitFilter:
        return ImplicitFilter(out, in_, ndim, hidden=hidden, coordinates="image", shared_trunk=False)

    layer = FrequencyConv2d(6, 6, groups=6, bias=False, filter=make, dtype=torch.float64)
    assert isinstance(layer.filter, ImplicitFilter)
    nn.init.normal_(layer.filter.real.bias)
    nn.init.normal_(layer.filter.imag.bias)
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    with torch.no_grad():
        assert_near(layer(x), published(layer.filter, x))


def test_grids_are_exact_in_float64() -> None:
    subject = ImplicitFilter(3, 1, 1).double()
    coordinates = 2 * torch.fft.rfftfreq(7, dtype=torch.float64)[:, None]
    real = subject.real(subject.trunks[0](coordinates)).T
    assert_near(subject((7,))[:, 0, 1:].real, real[:, 1:])


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


@pytest.mark.parametrize("shared_trunk", [True, False])
def test_initial_gain_in_one_dimension_up_to_long_signals(shared_trunk: bool) -> None:
    for seed in range(10):
        torch.manual_seed(seed)
        subject = ImplicitFilter(64, 1, 1, shared_trunk=shared_trunk, gain=1.0)
        for size in (7, 8, 14, 28, 56, 112, 224, 1000):
            assert_close(subject.gain(size).square().mean().sqrt().item(), 1.0, rtol=0.1, atol=0)


def test_initialisations_of_a_models_linear_layers_do_not_touch_it() -> None:
    layer = FrequencyConv2d(4, 4)
    before = layer.filter.taps(7)

    def initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=0.02)

    layer.apply(initialise)
    assert torch.equal(layer.filter.taps(7), before)


@pytest.mark.parametrize("activation", [nn.PReLU, lambda: nn.LayerNorm(16), nn.Tanh, nn.ReLU])
def test_activations_with_and_without_parameters(activation: Any) -> None:
    subject = ImplicitFilter(8, 1, activation=activation)
    assert_close(subject.gain(28).square().mean().sqrt().item(), 3**-0.5, rtol=0.12, atol=0)
    assert subject.bfloat16()((5, 5)).dtype == torch.complex64


def test_narrow_relus_are_drawn_until_they_are_alive() -> None:
    for seed in range(100):
        torch.manual_seed(seed)
        taps = ImplicitFilter(4, 1, hidden=(2, 2), activation=nn.ReLU).taps(8)
        assert taps.isfinite().all()
        assert taps.abs().max() > 0


def test_a_trunk_that_is_always_dead_is_refused() -> None:
    class Off(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros_like(x)

    with pytest.raises(ValueError, match=r"hidden=\(4,\) with activation=Off gave a trunk that is zero.*nn\.SiLU"):
        ImplicitFilter(1, 1, hidden=(4,), activation=Off)


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
    "options", [{}, {"shared_trunk": False}, {"encoding": FourierFeatures(20)}, {"coordinates": "image"}]
)
@pytest.mark.parametrize(("out", "in_", "ndim"), [(64, 1, 2), (16, 16, 2), (8, 3, 1), (4, 2, 3), (512, 1, 2)])
def test_a_budget_is_used_and_not_exceeded(options: dict[str, Any], out: int, in_: int, ndim: int) -> None:
    for budget in (4000, 9000, 20000):
        subject = ImplicitFilter.with_budget(budget, **options)(out, in_, ndim)
        assert 0.9 * budget <= parameters(subject) <= budget
        assert subject.taps(5).isfinite().all()


def test_a_budget_reaches_the_filters_of_a_layer() -> None:
    layer = FrequencyConv2d(32, 32, groups=32, bias=False, filter=ImplicitFilter.with_budget(700, coordinates="image"))
    assert 630 <= parameters(layer) <= 700
    assert layer.filter.coordinates == "image"


def test_parameters_of_activations_belong_to_the_budget() -> None:
    for budget in (533, 700):
        assert parameters(ImplicitFilter.with_budget(budget, activation=nn.PReLU)(64, 1)) <= budget


def test_the_smallest_budget_works_and_one_less_says_so() -> None:
    smallest = (2 + 1) + (1 + 1) + 2 * 64 * 2
    assert parameters(ImplicitFilter.with_budget(smallest)(64, 1)) == smallest
    with pytest.raises(ValueError, match=rf"parameters={smallest - 1} are too few for 64 kernels.*has {smallest}"):
        ImplicitFilter.with_budget(smallest - 1)(64, 1)
    with pytest.raises(ValueError, match="parameters=0 must be at least 1"):
        ImplicitFilter.with_budget(0)
    with pytest.raises(TypeError, match=r"parameters=1\.5 must be an integer"):
        ImplicitFilter.with_budget(1.5)


def test_presets_are_the_published_widths() -> None:
    widths = {preset: preset(8, 1).hidden for preset in (niff_small, niff_big, niff_tiny)}
    assert list(widths.values()) == [(8, 4), (16, 128, 32), (8,)]
    trunk = 2 * 8 + 8 + 8 * 4 + 4
    assert parameters(niff_small(10, 1)) == 2 * (trunk + 5 * 10)
    assert parameters(niff_big(10, 1)) == 2 * (2 * 16 + 16 + 16 * 128 + 128 + 128 * 32 + 32 + 33 * 10)
    assert parameters(niff_tiny(10, 3)) == 2 * (2 * 8 + 8 + 9 * 30)
    assert all(preset(8, 1).coordinates == "image" for preset in widths)


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
        ({"hidden": 8}, TypeError, "hidden=8 must hold one width for each hidden layer"),
        ({"activation": nn.SiLU()}, TypeError, r"activation=SiLU\(\) must make a module when called.*not nn\.SiLU\(\)"),
        ({"activation": torch.tanh}, TypeError, "activation=<built-in method tanh"),
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
