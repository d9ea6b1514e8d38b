"""The kernels of one layer: how they are taken from it, and what they measure."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyConv2d, footprint


def test_a_survey_does_not_change_with_the_model() -> None:
    conv = nn.Conv2d(1, 1, 3)
    (layer,) = footprint.survey(conv, torch.randn(1, 1, 5, 5)).layers
    before = layer.taps.clone()
    nn.init.zeros_(conv.weight)
    assert torch.equal(layer.taps, before)


def test_float64_taps_stay_float64() -> None:
    (layer,) = footprint.survey(FrequencyConv2d(1, 1, dtype=torch.float64), torch.randn(1, 1, 5, 5).double()).layers
    assert layer.taps.dtype == torch.float64


def test_half_precision_models_can_be_surveyed() -> None:
    model = nn.Sequential(FrequencyConv2d(1, 2), nn.Conv2d(2, 2, 3)).bfloat16()
    survey = footprint.survey(model, torch.randn(1, 1, 8, 8).bfloat16())
    assert [layer.taps.dtype for layer in survey.layers] == [torch.float32, torch.float32]


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
def test_dilated_taps_lie_apart_about_the_same_centre(kernel_size: int) -> None:
    plain = nn.Conv1d(1, 1, kernel_size, dilation=3, padding=9, bias=False)
    (layer,) = footprint.survey(plain, torch.randn(1, 1, 32)).layers
    taps = layer.taps[0, 0]
    centre = len(taps) // 2
    expected = {3 * (j - kernel_size // 2): w for j, w in enumerate(plain.weight.flatten().tolist())}
    assert {n - centre: w for n, w in enumerate(taps.tolist()) if w} == pytest.approx(expected)
    assert layer.taps.abs().sum() == pytest.approx(plain.weight.abs().sum().item())


def test_kernels_of_zeros_are_null_in_plain_data() -> None:
    conv = nn.Conv2d(1, 1, 3)
    nn.init.zeros_(conv.weight)
    (layer,) = json.loads(json.dumps(footprint.survey(conv, torch.randn(1, 1, 5, 5)).to_dict(), allow_nan=False))[
        "layers"
    ]
    assert layer["measures"]["size90"] == [None] * 3
    assert layer["mass_ratio"] == [None, None]


def test_a_model_that_diverged_can_be_surveyed() -> None:
    conv = nn.Conv2d(2, 3, 3)
    with torch.no_grad():
        conv.weight[0, 0, 0, 0] = torch.nan
        conv.weight[1, 1, 0, 0] = torch.inf
    survey = footprint.survey(conv, torch.randn(1, 2, 5, 5), null=2)
    (layer,) = json.loads(json.dumps(survey.to_dict(), allow_nan=False))["layers"]
    assert layer["measures"]["effective_rank"] == [None] * 3
    assert survey.layers[0].values("size90").isnan().tolist() == [True, False, False, True, False, False]
    assert layer["measures"]["size90"][1] == 3


def plain_1d(*weights: float) -> footprint.LayerFootprint:
    conv = nn.Conv1d(1, 1, len(weights))
    with torch.no_grad():
        conv.weight[0, 0] = torch.tensor(weights)
    return footprint.survey(conv, torch.randn(1, 1, 9)).layers[0]


def test_kernels_of_plain_convolutions_do_not_wrap_around() -> None:
    # With circular padding the two ends would be neighbours, and the first of four taps its own mirror image.
    assert plain_1d(1, 0, 0, 0, 1).statistic("aligned_size90") == 5
    assert plain_1d(1, 0, 0, 0).statistic("even_share") == 0.5
    assert plain_1d(0, 0, 0, 0, 1).statistic("aligned_size90") == 1
    # Centred on its first tap, the last lies two pixels away; no kernel is larger than the window it came from.
    assert plain_1d(4, 2, 2).statistic("aligned_size90") == 3


@pytest.mark.parametrize("periodic", [True, False])
def test_a_large_layer_is_measured_in_parts_with_the_same_result(
    periodic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    taps = torch.randn(6, 4, 14, 14)
    whole = footprint.LayerFootprint("", "Conv2d", (14, 14), taps, periodic)
    expected = {measure.name: whole.values(measure.name) for measure in footprint.MEASURES}
    ratio = whole.mass_ratio
    monkeypatch.setattr("nifconv.footprint.measures._kernels._TAPS_AT_ONCE", 6 * 14 * 14)
    parted = replace(whole)
    assert len(parted._kernels.parts) == 4
    for name, values in expected.items():
        assert_close(parted.values(name), values)
    assert_close(parted.mass_ratio, ratio)
