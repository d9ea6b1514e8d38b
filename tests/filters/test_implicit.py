import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import (
    Budget,
    FourierFeatures,
    FrequencyConv2d,
    FrequencyFilter,
    ImplicitFilter,
    MultiScaleFeatures,
    frequency,
    niff_big,
    niff_small,
    niff_tiny,
)
from nifconv.filters import Neighbors
from tests import oracles
from tests.filter_contract import FilterContract
from tests.tolerances import assert_near

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "small": {"hidden": (8, 4)},
    "big": {"hidden": (16, 128, 32)},
    "two trunks": {"hidden": (8, 4), "shared_trunk": False},
    "tanh": {"activation": nn.Tanh},
    "multi-scale": {"encoding": MultiScaleFeatures(24)},
    "multi-scale small": {"hidden": (8, 4), "encoding": MultiScaleFeatures(24)},
    "pixel": {"coordinates": "pixel"},
    "pixel small": {"coordinates": "pixel", "hidden": (8, 4)},
    "fourier": {"encoding": FourierFeatures(24)},
    "fourier small": {"hidden": (8, 4), "encoding": FourierFeatures(24)},
    "image": {"coordinates": "image"},
    "published small": {"hidden": (8, 4), "coordinates": "image", "shared_trunk": False},
    "published big": {"hidden": (16, 128, 32), "coordinates": "image", "shared_trunk": False},
}


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

    def test_resetting_draws_anew_with_the_same_gain(self, ndim: int) -> None:
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


def parameters(subject: nn.Module) -> int:
    return sum(p.numel() for p in subject.parameters())


def test_parameter_count_is_that_of_the_layers_and_not_of_the_kernel() -> None:
    heads = (2 * 4 + 1) * 30
    assert parameters(ImplicitFilter(10, 3, hidden=(8, 4))) == 8 * 8 + 8 + 8 * 4 + 4 + heads
    assert (
        parameters(ImplicitFilter(10, 3, hidden=(8, 4), shared_trunk=False)) == 2 * (8 * 8 + 8 + 8 * 4 + 4) + heads + 30
    )
    assert parameters(ImplicitFilter(10, 3, hidden=(8, 4), coordinates="pixel")) == 2 * 8 + 8 + 8 * 4 + 4 + heads


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


@pytest.mark.parametrize("name", ["pixel", "pixel small"])
def test_initial_gain_in_pixel_coordinates_hardly_depends_on_the_map(name: str) -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        layer = FrequencyConv2d(32, 32, groups=32, filter=lambda *shape: ImplicitFilter(*shape, **SETTINGS[name]))
        stated = 3**-0.5
        for size in (7, 8, 14, 28, 56, 112, 224):
            x = torch.randn(1 + 4000 // size**2, 32, size, size)
            with torch.no_grad():
                measured = (layer(x).std() / x.std()).item()
            assert_close(measured, stated, rtol=0.2, atol=0)


@pytest.mark.parametrize("name", ["default", "small", "big", "tanh", "multi-scale"])
def test_initial_gain_in_periodic_coordinates_does_not_depend_on_the_map(name: str) -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        subject = ImplicitFilter(64, 1, **SETTINGS[name])
        for size in (7, 8, 14, 28, 56, 112, 224):
            assert_close(subject.gain(size).square().mean().sqrt().item(), 3**-0.5, rtol=0.01, atol=0)


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
            assert_close(subject.gain(size).square().mean().sqrt().item(), 1.0, rtol=0.01, atol=0)


def mass(taps: Tensor) -> Tensor:
    """Share of the |taps| of each kernel, `(kernels, rows, columns)`."""
    share = taps.detach().double().abs().flatten(0, 1)
    return share / share.sum((1, 2), keepdim=True)


def outside(share: Tensor, side: int) -> Tensor:
    """The same with zeros in the window about the centre."""
    rest, centre, half = share.clone(), share.shape[-1] // 2, side // 2
    rest[:, centre - half : centre + half + 1, centre - half : centre + half + 1] = 0
    return rest


@pytest.mark.parametrize(("name", "rings"), [("default", False), ("multi-scale", False), ("pixel", True)])
def test_untrained_kernels_are_compact_and_do_not_ring_along_the_axes(name: str, rings: bool) -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        share = mass(ImplicitFilter(64, 1, **SETTINGS[name]).taps(48))
        rest = outside(share, 9)
        cross = rest[:, 23:26].sum((1, 2)) + rest[:, :, 23:26].sum((1, 2))
        assert (cross.mean() > 0.2) == rings
        assert rings or cross.mean() < 0.04
        assert (outside(share, 33).sum((1, 2)).mean() > 0.1) == rings
        assert rings or outside(share, 33).sum((1, 2)).mean() < 0.01


def crop(taps: Tensor, size: int) -> Tensor:
    return frequency.resize_taps(taps, (size,) * (taps.dim() - 2))


def trained(encoding: Any, size: int, steps: int = 40) -> ImplicitFilter:
    """A filter taught, on one map, kernels that a fresh one does not have."""
    subject = ImplicitFilter(8, 1, encoding=encoding, hidden=(8, 8)).double()
    target = crop(torch.randn(8, 1, 5, 5, dtype=torch.float64), size)
    optimizer = torch.optim.AdamW(subject.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        (subject.taps(size) - target).square().sum().backward()
        optimizer.step()
    return subject


@pytest.mark.parametrize("encoding", [None, MultiScaleFeatures(6, features=8), FourierFeatures(5, features=6)])
@pytest.mark.parametrize("steps", [0, 40], ids=["untrained", "trained"])
def test_taps_of_two_maps_agree_up_to_the_mass_outside_the_smaller_one(encoding: Any, steps: int) -> None:
    subject = trained(encoding, 20, steps)
    with torch.no_grad():
        far = subject.taps(160)
        for small, large in ((12, 31), (15, 40), (16, 17), (21, 80)):
            window = crop(subject.taps(large), small)
            differs = (subject.taps(small) - window).abs().sum()
            wraps = sum((far.abs().sum() - crop(far, size).abs().sum()) for size in (small, large))
            assert differs <= wraps * (1 + 1e-6) + 1e-9


def test_a_filter_trained_at_one_resolution_has_the_same_taps_at_another() -> None:
    subject = trained(None, 16)
    with torch.no_grad():
        taps = subject.taps(16)
        assert taps.norm() > 0
        for size in (24, 33, 64):
            other = subject.taps(size)
            assert_close(crop(other, 16), taps, rtol=0, atol=0.02 * taps.abs().max().item())
            assert_close(subject.gain(size), subject.gain(16), rtol=0.01, atol=0)


def test_offsets_that_a_map_does_not_hold_are_not_trained_by_it() -> None:
    encoding = MultiScaleFeatures(24)
    reach = encoding.draw(2).abs().amax(1).repeat(2)  # of each input: cosines, then sines
    for size in (8, 17, 64):
        subject = trained(encoding, size, steps=3)
        weight = subject.trunks[0][0].weight.detach()
        learned = weight.abs().amax(0) > 0
        assert learned.equal((reach <= 1) | (2 * reach < size))
    small = trained(encoding, 8)
    assert outside(mass(small.taps(64)), 33).sum((1, 2)).max() < 0.01


def test_a_map_that_is_too_small_gives_the_values_of_the_whole_function_all_the_same() -> None:
    subject = trained(MultiScaleFeatures(24), 64, steps=3)
    with torch.no_grad():
        assert_near(subject((8, 8)), subject((64, 64))[:, :, ::8, :33:8])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_nothing_passes_above_the_band_limit(ndim: int) -> None:
    free = ImplicitFilter(3, 2, ndim, coordinates="image", shared_trunk=False).double()
    limited = ImplicitFilter(3, 2, ndim, coordinates="image", shared_trunk=False, band_limit=3).double()
    limited.load_state_dict(free.state_dict())
    for length in (5, 6, 9, 16):
        size = (length,) * ndim
        cycles = torch.tensor(oracles.full_grid(size)).reshape(*size, ndim)[..., : length // 2 + 1, :] * length
        passes = (cycles.abs() <= 3.5).all(-1)
        assert_near(limited(size), torch.where(passes, free(size), 0))
        assert passes.all() == (length <= 6)
    assert "band_limit=3" in repr(limited)


def test_the_gain_of_a_limited_filter_is_the_stated_one_and_falls_on_larger_maps() -> None:
    subject = ImplicitFilter(64, 1, coordinates="image", band_limit=8)
    assert_close(subject.gain(32).square().mean().sqrt().item(), 3**-0.5, rtol=0.01, atol=0)
    assert_close(subject.gain(64), subject.gain(32) / 2)  # the same values at a quarter as many frequencies


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


def test_with_budget_is_a_name_for_a_budget_of_widths() -> None:
    for budget, out in ((700, 16), (2000, 64)):
        one = ImplicitFilter.with_budget(budget, activation=nn.Tanh)(out, 1)
        assert one.hidden == ImplicitFilter(out, 1, hidden=Budget(budget), activation=nn.Tanh).hidden
        assert isinstance(one.trunks[0][1], nn.Tanh)


def test_a_budget_reaches_the_filters_of_a_layer() -> None:
    layer = FrequencyConv2d(32, 32, groups=32, bias=False, filter=ImplicitFilter.with_budget(700, coordinates="image"))
    assert 630 <= parameters(layer) <= 700
    assert layer.filter.coordinates == "image"


def test_parameters_of_activations_belong_to_the_budget() -> None:
    for budget in (533, 700):
        assert parameters(ImplicitFilter.with_budget(budget, activation=nn.PReLU)(64, 1)) <= budget


def test_the_smallest_budget_works_and_one_less_says_so() -> None:
    smallest = (8 + 1) + (1 + 1) + 3 * 64
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
    assert parameters(niff_small(10, 1)) == 2 * trunk + 2 * (4 + 1) * 10
    assert parameters(niff_big(10, 1)) == 2 * (2 * 16 + 16 + 16 * 128 + 128 + 128 * 32 + 32) + 2 * (32 + 1) * 10
    assert parameters(niff_tiny(10, 3)) == 2 * (2 * 8 + 8) + 2 * (8 + 1) * 30
    assert all(preset(8, 1).coordinates == "image" for preset in widths)


def test_pixel_coordinates_keep_the_kernel_in_pixels_and_image_coordinates_relative_to_the_map() -> None:
    pixel = ImplicitFilter(8, 1, 1, activation=nn.Tanh, coordinates="pixel").double()
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
def test_refuses_senseless_arguments(changes: dict[str, Any], error: type[Exception], message: str) -> None:
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
def test_combined_kernels_are_combinations_of_the_kernels(options: dict[str, Any], hooked: bool) -> None:
    subject, weight = ImplicitFilter(6, 2, **options).double(), torch.randn(3, 6, dtype=torch.float64)
    nn.init.normal_(subject.real.bias)
    if hooked:
        subject.register_forward_hook(lambda module, arguments, output: 2 * output)

    def combination(kernels: Tensor) -> Tensor:
        return torch.einsum("ok,ki...->oi...", weight, kernels)

    found, expected = subject.combined_as_real((7, 8), combination), combination(subject.spectrum_as_real((7, 8)))
    assert_near(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(found.sin().sum(), list(subject.parameters())),
        torch.autograd.grad(expected.sin().sum(), list(subject.parameters())),
        strict=True,
    ):
        assert_near(ours, theirs)


def test_a_spectrum_that_sums_over_channels_lies_bin_by_bin() -> None:
    dense = ImplicitFilter(6, 2).spectrum_as_real((7, 8))
    assert dense.permute(-1, 2, 3, 0, 1).is_contiguous()
    assert ImplicitFilter(6, 1).spectrum_as_real((7, 8)).is_contiguous()
