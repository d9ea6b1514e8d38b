"""Re-initialised copies of a layer or of a model: what is initialised again, and by whom."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

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
from nifconv.footprint._reinitialize import reinitialized

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


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_reinitialized_in_a_copy(name: str) -> None:
    model = FrequencyConv2d(4, 4, groups=4, filter=FILTERS[name])
    before = copy.deepcopy(model.state_dict())
    layer = footprint.survey(model, X, null=3).layers[0]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert layer.null is not None
    assert layer.null.statistics["spectral_radius"].unique().numel() == 3
    copies = [reinitialized(model, seed).filter.taps(9) for seed in (1, 1, 2)]
    assert torch.equal(copies[0], copies[1])
    assert not torch.equal(copies[0], copies[2])
    assert not torch.equal(copies[0], model.filter.taps(9))


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
    """Initialises its weights itself, as many models do; the filter after them is frozen."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, channels, 5)
        nn.init.normal_(self.conv.weight)
        self.frozen = FrequencyConv2d(channels, 4, groups=4, filter=frozen(ImplicitFilter, seed=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(self.conv(x))


def test_whole_models_are_reinitialized_with_the_initialisation_they_apply_themselves() -> None:
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
