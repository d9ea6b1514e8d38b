"""Untrained implicit filters: gain, diversity, and activations that may be zero."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import (
    FourierFeatures,
    FrequencyConv2d,
    ImplicitFilter,
    MultiScaleFeatures,
)

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


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("seed", range(5))
def test_untrained_kernels_are_diverse(setting: dict[str, Any], seed: int) -> None:
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


def test_initialisations_of_a_models_linear_layers_do_not_touch_it() -> None:
    layer = FrequencyConv2d(4, 4)
    before = layer.filter.taps(7)

    def initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=0.02)

    layer.apply(initialise)
    assert torch.equal(layer.filter.taps(7), before)
