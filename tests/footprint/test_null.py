import copy
import json
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.testing import assert_close

from nifconv import (
    Envelope,
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    LCConv2d,
    SpatialFilter,
    TableFilter,
    footprint,
    frozen,
)
from nifconv.footprint._null import NullCollector, NullDistribution
from nifconv.footprint._reinitialize import reinitialized
from nifconv.footprint.measures._kernels import Kernels

FILTERS = {
    "implicit": ImplicitFilter,
    "spatial": partial(SpatialFilter, kernel_size=5),
    "table": partial(TableFilter, size=9),
    "envelope": Envelope(ImplicitFilter, width=2.0),
    "frozen": frozen(ImplicitFilter, seed=3),
    "envelope of frozen": Envelope(frozen(ImplicitFilter, seed=3), width=2.0),
    "bank": FilterBank(ImplicitFilter, kernels=64),
    "bank of frozen": FilterBank(frozen(ImplicitFilter, seed=3), kernels=64),
}
X = torch.zeros(1, 4, 9, 9)


def one_layer(module: nn.Module, **options: Any) -> footprint.LayerFootprint:
    return footprint.survey(module, X, **options).layers[0]


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_reinitialized_in_a_copy(name: str) -> None:
    model = FrequencyConv2d(4, 4, groups=4, filter=FILTERS[name])
    before = copy.deepcopy(model.state_dict())
    layer = one_layer(model, null=3)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert layer.null is not None
    assert layer.null.statistics["spectral_radius"].unique().numel() == 3
    fresh = [reinitialized(model, seed).filter.taps(9) for seed in (1, 1, 2)]
    assert torch.equal(fresh[0], fresh[1])
    assert not torch.equal(fresh[0], fresh[2])
    assert not torch.equal(fresh[0], model.filter.taps(9))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 8, 3),
        nn.Conv2d(4, 8, 5, groups=2, dtype=torch.bfloat16),
        weight_norm(nn.Conv2d(4, 8, 3)),
        LCConv2d(4, 4, expansion=2),
        LCConv2d(4, 4, 3, depthwise=False, filter=frozen(SpatialFilter, seed=1)),
    ],
)
def test_plain_convolutions_and_blocks_are_reinitialized_too(layer: nn.Module) -> None:
    before = copy.deepcopy(layer.state_dict())
    x = X.to(next(layer.parameters()).dtype)
    for found in footprint.survey(layer, x, null=4).layers:
        assert found.null is not None
        assert found.null.statistics["rms_radius"].unique().numel() == 4
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())


def test_a_parametrized_filter_is_refused_rather_than_left_as_it_is() -> None:
    model = FrequencyConv2d(4, 4, 3, filter=SpatialFilter)
    weight_norm(model.filter)
    with pytest.raises(ValueError, match=r"FrequencyConv2d is under a parametrisation.*remove_parametriz"):
        footprint.survey(model, X, null=1)
    with pytest.raises(ValueError, match=r"ParametrizedLinear is under a parametrisation"):
        reinitialized(weight_norm(nn.Linear(2, 2)), 0)


class Gaussian(nn.Module):
    """Draws its weights itself, as many models do, and those of the filter after them from a frozen seed."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, channels, 5)
        nn.init.normal_(self.conv.weight)
        self.frozen = FrequencyConv2d(channels, 4, groups=4, filter=frozen(ImplicitFilter, seed=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(self.conv(x))


def test_whole_models_are_drawn_with_the_initialisation_they_apply_themselves() -> None:
    model = Gaussian()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    layers = footprint.survey(model, X, null=20, fresh=Gaussian).layers
    assert torch.equal(torch.get_rng_state(), state)
    again = footprint.survey(model, X, null=20, fresh=Gaussian).layers
    alone = footprint.survey(model, X, null=20).layers
    for layer, other in zip(layers, again, strict=True):
        assert layer.null.statistics["size50"].shape == (20,)
        assert torch.equal(layer.null.statistics["rms_radius"], other.null.statistics["rms_radius"])
        assert layer.null.statistics["rms_radius"].unique().numel() == 20
    # Gaussian taps are further from even than uniform ones: against the wrong null an untrained layer looks trained.
    z, wrong = (found[0].null.effect("anisotropy", found[0].statistic("anisotropy")).z for found in (layers, alone))
    assert abs(z) < 3
    assert abs(wrong) > 5


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


@pytest.mark.parametrize(
    ("fresh", "error", "message"),
    [
        (Gaussian(), TypeError, "fresh=Gaussian must be a function that builds the model"),
        (3, TypeError, "fresh=int must be a function"),
        (lambda: 3, TypeError, r"fresh\(\) returned a int; it must return a torch\.nn\.Module"),
        (lambda: nn.Conv2d(4, 4, 3), ValueError, r"fresh\(\) has no Conv2d 'conv'; it must build the architecture"),
        (
            lambda: Gaussian(32),
            ValueError,
            r"a re-initialised 'conv' has kernels of shape \(32, 4, 5, 5\), but the model's have \(64",
        ),
    ],
)
def test_a_factory_of_something_else_is_an_error(fresh: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        footprint.survey(Gaussian(), X, null=1, fresh=fresh)


def test_a_factory_that_returns_the_model_itself_is_an_error() -> None:
    model = Gaussian()
    with pytest.raises(ValueError, match=r"fresh\(\) returned the surveyed Gaussian itself; it must build a new one"):
        footprint.survey(model, X, null=1, fresh=lambda: model)


def test_a_factory_that_seeds_itself_makes_no_null() -> None:
    def seeded() -> nn.Module:
        torch.manual_seed(1)
        return Gaussian()

    with pytest.raises(ValueError, match=r"fresh\(\) built the same weights twice in a Gaussian; .*neither seed"):
        footprint.survey(Gaussian(), X, null=2, fresh=seeded)
