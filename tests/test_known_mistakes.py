"""Mistakes seen in other implementations of frequency convolutions, one test each."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyConv2d, ImplicitFilter, SpatialFilter, footprint, frequency
from nifconv.functional import spectral_conv


def depthwise(channels: int = 4, **options: Any) -> FrequencyConv2d:
    return FrequencyConv2d(channels, channels, groups=channels, bias=False, **options)


def test_batch_and_channels_are_not_shifted() -> None:
    layer = depthwise()
    x = torch.zeros(3, 4, 8, 8)
    x[1, 2, 4, 4] = 1.0
    y = layer(x)
    silent = torch.ones(3, 4, dtype=torch.bool)
    silent[1, 2] = False
    assert y[silent].abs().max() == 0
    assert y[1, 2].abs().max() > 0


def test_height_and_width_are_not_swapped() -> None:
    class Rows(ImplicitFilter):
        """Shifts by one pixel along the first spatial axis."""

        def forward(self, size: Any) -> torch.Tensor:
            rows = frequency.grid(size)[..., 0]
            return frequency.project_hermitian(torch.polar(torch.ones_like(rows), 2 * torch.pi * rows), size)[
                None, None
            ]

    x = torch.randn(1, 1, 7, 12)
    assert_close(FrequencyConv2d(1, 1, filter=Rows)(x), torch.roll(x, -1, 2), rtol=0, atol=1e-5)
    assert depthwise()(torch.randn(1, 4, 7, 12)).shape == (1, 4, 7, 12)


def test_the_grid_of_the_first_input_is_not_kept() -> None:
    layer = depthwise()
    fresh = copy.deepcopy(layer)
    x = torch.randn(1, 4, 9, 14)
    layer(torch.randn(1, 4, 8, 8))
    assert torch.equal(layer(x), fresh(x))
    assert layer(torch.randn(1, 4, 5, 5)).shape == (1, 4, 5, 5)


@pytest.mark.parametrize("size", [7, 8])
def test_dc_is_at_frequency_zero_for_odd_and_even_sizes(size: int) -> None:
    frequencies = frequency.grid((size, size))
    assert frequencies[0, 0].tolist() == [0.0, 0.0]
    assert frequencies[..., 0].min() >= -0.5
    layer = depthwise().double()
    constant = torch.ones(1, 4, size, size, dtype=torch.float64)
    assert_close(layer(constant), layer.filter((size, size))[:, 0, 0, 0].real.view(1, 4, 1, 1) * constant)


def test_no_energy_is_lost_to_a_discarded_imaginary_part() -> None:
    layer = depthwise(64)
    x = torch.randn(4, 64, 16, 16)
    predicted = layer.filter.gain(16).square().mean().sqrt()
    assert_close((layer(x).std() / x.std()).item(), predicted.item(), rtol=0.03, atol=0)


@pytest.mark.parametrize(
    "options",
    [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"bias": False}, {"padding": 0}, {"padding_mode": "zeros"}],
    ids=str,
)
def test_no_argument_is_ignored(options: dict[str, Any]) -> None:
    def output(**changes: Any) -> torch.Tensor:
        layer = FrequencyConv2d(4, 4, 3, filter=SpatialFilter, **changes)
        nn.init.ones_(layer.filter.weight)
        if layer.bias is not None:
            nn.init.ones_(layer.bias)
        return layer(torch.arange(4 * 81.0).reshape(1, 4, 9, 9))

    plain, changed = output(), output(**options)
    assert plain.shape != changed.shape or (plain - changed).abs().max() > 0.5


def test_copies_low_and_high_precision_and_compilation_work() -> None:
    x = torch.randn(1, 4, 8, 8)
    layer = depthwise()
    layer(x)
    torch.compiler.reset()
    for variant, signal in [
        (copy.deepcopy(layer), x),
        (copy.deepcopy(layer).bfloat16(), x.bfloat16()),
        (copy.deepcopy(layer).double(), x.double()),
        (torch.compile(copy.deepcopy(layer), backend="eager"), x),
    ]:
        y = variant(signal)
        assert y.dtype == signal.dtype
        assert_close(y.float(), layer(x), rtol=0, atol=0.05 if signal.dtype == torch.bfloat16 else 1e-5)


def test_a_delta_has_all_its_mass_in_the_window_of_one() -> None:
    for size in (7, 8):
        taps = torch.zeros(1, 1, size, size)
        taps[0, 0, size // 2, size // 2] = 1.0
        assert footprint.mass_ratio(taps)[0, 0, 0] == 1.0


def test_kernels_are_not_multiplied_by_a_checkerboard() -> None:
    taps = torch.rand(2, 1, 8, 8)  # all positive: (-1)^(x + y) would show
    shown = frequency.spectrum_to_taps(frequency.taps_to_spectrum(taps, (8, 8)), (8, 8))
    assert_close(shown, taps)


def test_layers_are_surveyed_at_the_size_they_run_at() -> None:
    model = nn.Sequential(nn.MaxPool2d(4), depthwise())
    (layer,) = footprint.survey(model, torch.randn(1, 4, 32, 32)).layers
    assert layer.map_size == (8, 8)
    assert layer.taps.shape == (4, 1, 8, 8)


def test_a_spectrum_of_another_resolution_is_refused() -> None:
    layer = depthwise()
    with pytest.raises(ValueError, match=r"\(16, 9\).*size=\(8, 8\) has \(8, 5\); evaluate the filter at that size"):
        spectral_conv(torch.randn(1, 4, 8, 8), layer.filter((16, 16)), groups=4)
