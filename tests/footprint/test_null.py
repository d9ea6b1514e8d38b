"""The null distribution of a layer, and how far a value lies from it."""

import json
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyConv2d, ImplicitFilter, footprint
from nifconv.footprint._null import NullCollector, NullDistribution
from nifconv.footprint.measures._kernels import Kernels

X = torch.zeros(1, 4, 9, 9)


def one_layer(module: nn.Module, **options: Any) -> footprint.LayerFootprint:
    return footprint.survey(module, X, **options).layers[0]


def test_the_null_depends_on_the_seed_and_the_name_alone() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 5), nn.Conv2d(4, 4, 5))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = footprint.survey(model, X, null=3, seed=1).layers
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    nn.init.ones_(model[0].weight)
    for layer, again in zip((first, second), footprint.survey(model, X, null=3, seed=1).layers, strict=True):
        assert torch.equal(layer.null.statistics["rms_radius"], again.null.statistics["rms_radius"])
        assert torch.equal(layer.null.mass_band, again.null.mass_band)
    assert not torch.equal(first.null.statistics["rms_radius"], second.null.statistics["rms_radius"])
    other = footprint.survey(model, X, null=3, seed=2).layers[0]
    assert not torch.equal(first.null.statistics["rms_radius"], other.null.statistics["rms_radius"])


def test_what_was_not_trained_lies_within_the_null() -> None:
    torch.manual_seed(3)
    layer = one_layer(FrequencyConv2d(4, 64, filter=ImplicitFilter), null=39)
    for measure in ("rms_radius", "mass3", "anisotropy"):
        effect = layer.null.effect(measure, layer.statistic(measure))
        assert effect.low <= effect.high
        assert effect.z is not None
        assert abs(effect.z) < 4
        assert effect.p > 2 / 40


def test_what_was_made_local_lies_far_outside() -> None:
    model = nn.Conv2d(4, 32, 7)
    with torch.no_grad():
        centre = model.weight[..., 3, 3].clone()
        model.weight.mul_(1e-4)[..., 3, 3] = centre
    layer = one_layer(model, null=19)
    effect = layer.null.effect("rms_radius", layer.statistic("rms_radius"))
    assert effect.z is not None
    assert effect.z < -10
    assert_close(effect.p, 2 / 20)
    size = layer.null.effect("size90", layer.statistic("size90"))
    assert size.std == 0.0  # all draws fill the window
    assert_close(size.z, (1 - 7) / math.sqrt(4 / 6))


def test_the_band_is_that_of_the_draws() -> None:
    layer = one_layer(nn.Conv2d(4, 64, 5), null=2)
    low, median, high = layer.null.mass_band
    assert (low <= median).all()
    assert (median <= high).all()
    assert_close(high[-1].item(), 1.0)
    # Independent taps: the centre holds 1 of 25 of the mass.
    assert median[0].item() == pytest.approx(1 / 25, abs=0.02)


@pytest.mark.parametrize("periodic", [True, False])
def test_copies_are_measured_as_the_layer_is(periodic: bool) -> None:
    layer = footprint.LayerFootprint("", "Conv2d", (8, 8), torch.randn(3, 2, 8, 8), periodic)
    collector = NullCollector("", Kernels(layer.taps, periodic))
    collector.add(layer.taps)
    null = collector.finish()
    found = {name: values.item() for name, values in null.statistics.items()}
    expected = {measure.name: layer.statistic(measure.name) for measure in footprint.MEASURES}
    assert found == pytest.approx(expected, nan_ok=True)
    assert_close(null.mass_band[1], layer.mass_ratio.flatten(0, 1).quantile(0.5, dim=0))


def effect_of(drawn: list[float], value: float, measure: str = "rms_radius") -> Any:
    statistics = {measure: torch.tensor(drawn, dtype=torch.float64)}
    return NullDistribution(len(drawn), statistics, torch.zeros(3, 1)).effect(measure, value)


def test_effect_sizes_are_those_of_their_formula() -> None:
    effect = effect_of([1.0, 2.0, 3.0, 4.0], 5.0)
    assert_close(effect.mean, 2.5)
    assert_close(effect.std, math.sqrt(5 / 3))
    assert_close(effect.z, 2.5 / math.sqrt(5 / 3))
    assert_close(effect.p, 2 * 1 / 5)
    assert effect_of([1.0, 2.0, 3.0, 4.0], 2.5).p == 1.0
    assert_close(effect_of([1.0, 2.0, 3.0, 4.0], 3.5).p, 2 * 2 / 5)
    assert_close(effect_of([3.0] * 4, 9.0, "size90").z, 6 / math.sqrt(4 / 6))


@pytest.mark.parametrize(("value", "z"), [(2.0, 0.0), (2.0 + 1e-13, 0.0), (2.5, None)])
def test_draws_that_agree_give_no_scale(value: float, z: float | None) -> None:
    effect = effect_of([2.0, 2.0, 2.0], value)
    assert effect.z == z
    assert effect.p == (1.0 if z == 0 else 0.5)
    assert effect_of([2.0], 3.0).std == 0.0


def test_kernels_of_zeros_have_no_effect_and_stay_plain_data() -> None:
    model = nn.Conv2d(4, 4, 3)
    nn.init.zeros_(model.weight)
    data = json.loads(json.dumps(footprint.survey(model, X, null=2).to_dict(), allow_nan=False))
    assert data["layers"][0]["null"]["rms_radius"]["value"] is None
    assert data["layers"][0]["null"]["rms_radius"]["z"] is None
    assert data["settings"] == {
        "model": "Conv2d",
        "input": [[1, 4, 9, 9]],
        "null": 2,
        "seed": 0,
        "null distribution": "re-initialised layers",
        "groups": "by name",
        "torch": torch.__version__,
    }
