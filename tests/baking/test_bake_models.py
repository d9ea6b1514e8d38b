"""`bake` on whole models: what is kept and why, what is carried over, what is reported and refused."""

import copy
import json
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from nifconv import (
    Envelope,
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    LCConv2d,
    SpatialFilter,
    TableFilter,
    bake,
    convert,
    fit,
    frozen,
)
from tests.nets import is_plain, small_net
from tests.tolerances import assert_near

MODES = ["circular", "zeros", "reflect", "replicate"]
LOCAL = Envelope(partial(ImplicitFilter, hidden=(4,)), width=1.5)


class TwoSizes(nn.Module):
    """A layer that sees its map at two sizes, and one that runs in train mode only."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.unused: nn.Module = FrequencyConv2d(2, 2, filter=LOCAL)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = self.unused(x)
        return self.layer(self.layer(x)[..., ::2, ::2])


def test_layers_that_cannot_be_plain_are_kept_with_the_reason() -> None:
    x = torch.randn(1, 2, 8, 6)
    for layer in (FrequencyConv2d(2, 2, filter=LOCAL), LCConv2d(2, 2, filter=LOCAL)):
        model = TwoSizes(layer).train()
        baked = bake(model, x)
        assert type(baked.model.layer) is type(layer)
        assert baked.report.kept == baked.report.layers
        several, unused = baked.report.layers
        assert several.reason == "kept: its kernels differ between the maps of (8, 6), (4, 3) that reach it"
        assert several.map_sizes == ((8, 6), (4, 3))
        assert "the example input does not reach it in eval mode" in unused.reason
        assert (unused.map_sizes, unused.kernel_after, unused.bound) == ((), None, None)
        assert unused.parameters_after == unused.parameters_before
        assert_near(baked.model.eval()(x), model.eval()(x))
        assert all(entry.reason in str(baked.report) for entry in baked.report.layers)


@pytest.mark.parametrize("filter", [partial(SpatialFilter, kernel_size=3), partial(TableFilter, size=5)])
def test_one_kernel_for_several_maps_where_they_all_have_the_same(filter: Any) -> None:
    layer = FrequencyConv2d(2, 2, padding_mode="zeros", filter=filter)
    model = TwoSizes(layer).eval()
    model.unused = nn.Identity()
    x = torch.randn(1, 2, 9, 7)
    baked = bake(model, x)
    assert is_plain(baked.model)
    assert baked.report.layers[0].map_sizes == ((9, 7), (5, 4))
    assert_near(baked.model(x), model(x))


def test_a_tolerance_can_cover_the_difference_between_maps() -> None:
    layer = FrequencyConv2d(2, 2, padding_mode="zeros", filter=Envelope(ImplicitFilter, width=0.5))
    model = TwoSizes(layer).eval()
    model.unused = nn.Identity()
    x = torch.randn(1, 2, 10, 10)
    baked = bake(model, x, tolerance=0.5)
    assert is_plain(baked.model)
    assert 0 < baked.report.layers[0].bound <= 0.5


def test_a_padding_that_the_smallest_map_cannot_supply() -> None:
    layer = FrequencyConv2d(2, 2, filter=partial(TableFilter, size=8)).double()
    kernel = torch.zeros(2, 2, 8, 8, dtype=torch.float64)
    kernel[..., 4, 4] = 1
    kernel[..., 0, 4] = 1e-14
    fit(layer.filter, kernel)
    model = nn.Sequential(layer, nn.AvgPool2d(4), layer)
    baked = bake(model, torch.randn(1, 2, 8, 8, dtype=torch.float64))
    (entry,) = baked.report.layers
    assert entry.reason == "kept: a map of (2, 2) cannot supply the circular padding of [(4, 4), (4, 4)]"
    assert baked.model[0] is baked.model[2]


def test_kernels_that_are_not_finite_are_kept() -> None:
    layer = FrequencyConv2d(2, 2, 3, filter=SpatialFilter)
    nn.init.constant_(layer.filter.weight, math.nan)
    assert bake(layer, torch.randn(1, 2, 5, 5)).report.layers[0].reason == "kept: its kernels are not finite"


def test_a_module_at_two_places_is_baked_once_and_stays_one() -> None:
    layer = FrequencyConv2d(2, 2, filter=LOCAL)
    model = nn.Sequential(layer, nn.ReLU(), nn.Sequential(layer))
    x = torch.randn(1, 2, 6, 6)
    baked = bake(model, x)
    (entry,) = baked.report.layers
    assert (entry.name, entry.aliases) == ("0", ("2.0",))
    assert baked.model[0] is baked.model[2][0]
    assert_near(baked.model(x), model(x))


@pytest.mark.parametrize(
    "filter",
    [
        ImplicitFilter,
        partial(ImplicitFilter, coordinates="image"),
        partial(TableFilter, size=(5, 4)),
        LOCAL,
        frozen(ImplicitFilter, seed=3),
        FilterBank(ImplicitFilter, 64),
    ],
)
@pytest.mark.parametrize("to", ["dense", "split", "lc"])
def test_a_converted_network_is_baked_with_every_filter(filter: Any, to: str) -> None:
    net = nn.Sequential(
        nn.Conv2d(8, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 5, 2, padding=2, groups=2)
    )
    model = convert(net, to=to, where="*", filter=filter, expansion=2 if to == "lc" else 1).model.eval()
    x = torch.randn(2, 8, 9, 8)
    baked = bake(model, x)
    assert is_plain(baked.model)
    assert (baked.model(x) - model(x)).norm() < 2e-5 * model(x).norm()
    assert [entry.name for entry in baked.report.layers] == ["0", "3"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision(dtype: torch.dtype) -> None:
    model = convert(small_net()).model.to(dtype)
    x = torch.randn(1, 3, 8, 9, dtype=dtype)
    baked = bake(model, x)
    assert is_plain(baked.model)
    assert {p.dtype for p in baked.model.parameters()} == {dtype}
    assert_near(baked.model(x), model(x), dtype=torch.bfloat16 if dtype == torch.bfloat16 else dtype)


def test_nothing_of_the_model_or_the_random_state_changes() -> None:
    net = nn.Sequential(small_net(), nn.BatchNorm2d(4), nn.Dropout())
    model = convert(net).model.train()
    model[1].eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    random_state, printed = torch.get_rng_state(), repr(model)
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    baked = bake(model, x)
    assert torch.equal(random_state, torch.get_rng_state())
    assert repr(model) == printed
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooks
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
    assert (x.grad, x.requires_grad) == (None, True)
    for made in (model, baked.model):
        assert [m.training for m in (made, made[0].body, made[1], made[2])] == [True, True, False, True]
    assert torch.equal(baked.model[1].running_mean, model[1].running_mean)
    assert all(len(m._forward_hooks) + len(m._forward_pre_hooks) == 0 for m in baked.model.modules())


def test_train_state_requires_grad_and_hooks_are_kept() -> None:
    learned, fixed = FrequencyConv2d(2, 2, filter=LOCAL), LCConv2d(2, 2, filter=LOCAL)
    fixed.requires_grad_(False).eval()
    seen = []
    for layer in (learned, fixed):
        layer.register_forward_hook(lambda module, args, output: seen.append(type(module).__name__))
        layer.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    model = nn.Sequential(learned, fixed)
    x = torch.randn(1, 2, 6, 6)
    baked = bake(model, x)
    del seen[:]
    assert_near(baked.model(x), model(x))
    assert seen == ["Conv2d", "Sequential", "FrequencyConv2d", "LCConv2d"]
    assert all(p.requires_grad for p in baked.model[0].parameters())
    assert not any(p.requires_grad for p in baked.model[1].parameters())
    assert [m.training for m in baked.model] == [True, False]


@pytest.mark.parametrize("convention", ["tensor", "tuple", "mapping"])
def test_example_inputs_of_every_form(convention: str) -> None:
    class Add(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = FrequencyConv2d(2, 2, filter=LOCAL)

        def forward(self, x: Tensor, offset: float = 0.0) -> dict[str, Tensor]:
            return {"y": self.layer(x) + offset}

    x = torch.randn(1, 2, 6, 5)
    example: Any = {"tensor": x, "tuple": (x, 2.0), "mapping": {"x": x, "offset": 2.0}}[convention]
    baked = bake(Add(), example)
    assert baked.report.layers[0].map_sizes == ((6, 5),)
    assert is_plain(baked.model)


def test_a_parametrized_filter_is_baked_as_it_is_applied() -> None:
    conv = parametrizations.spectral_norm(nn.Conv2d(4, 4, 3, padding=1))
    model = convert(conv, to="dense", filter=SpatialFilter, match=True).model
    state = copy.deepcopy(model.state_dict())
    x = torch.randn(1, 4, 6, 6)
    baked = bake(model, x)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert_near(baked.model(x), model.eval()(x))


@pytest.mark.parametrize("wrap", [partial(torch.compile, backend="eager"), nn.DataParallel])
def test_wrapped_models(wrap: Any) -> None:
    model = wrap(nn.Sequential(FrequencyConv2d(2, 2, filter=LOCAL)))
    x = torch.randn(1, 2, 6, 6)
    expected = model(x)
    baked = bake(model, x)
    assert not baked.report.kept
    assert is_plain(baked.model)
    assert_near(baked.model(x), expected)


@pytest.mark.parametrize("model", [nn.Sequential(), nn.Conv2d(2, 2, 3), nn.Identity()])
def test_a_model_without_frequency_layers_is_copied(model: nn.Module) -> None:
    x = torch.randn(1, 2, 5, 5)
    baked = bake(model, x)
    assert baked.model is not model
    assert torch.equal(baked.model(x), model(x))
    assert (baked.report.layers, baked.report.error) == ((), 0)
    assert str(baked.report).startswith("baked 0 of 0 frequency layers; their parameters: 0 -> 0")


def test_the_report_counts_prints_and_serialises() -> None:
    model = convert(small_net(), expansion=1).model
    x = torch.randn(1, 3, 8, 8)
    baked = bake(model, x, tolerance=0.05)
    report = baked.report
    assert [entry.name for entry in report.layers] == ["body", "depthwise"]
    for entry in report.layers:
        before, after = model.get_submodule(entry.name), baked.model.get_submodule(entry.name)
        assert entry.parameters_before == sum(p.numel() for p in before.parameters())
        assert entry.parameters_after == sum(p.numel() for p in after.parameters())
        assert entry.error > 0
    model.eval()
    old, new = model(x), baked.model.eval()(x)
    assert report.error == pytest.approx(((new - old).norm() / old.norm()).item(), rel=1e-4)
    assert min(report.seconds_before, report.seconds_after) > 0
    assert report.tolerance == 0.05
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["layers"][0]["kernel_after"] == list(report.layers[0].kernel_after)
    assert (told["error"], told["tolerance"]) == (report.error, 0.05)
    lines = str(report).splitlines()
    totals = [sum(getattr(e, f"parameters_{when}") for e in report.layers) for when in ("before", "after")]
    assert lines[0] == f"baked 2 of 2 frequency layers; their parameters: {totals[0]:,} -> {totals[1]:,}"
    sides = "x".join(map(str, report.layers[0].kernel_after))
    layer = report.layers[0]
    norm = f"error {layer.error:.2g} (bound {layer.bound:.2g}), output changed by {layer.change:.2g} of its norm"
    assert lines[2].startswith(f"  body       8x8 -> {sides} taps, {norm}")
    assert ", rounding error " in bake(model, x).report.layers[0].outcome  # nothing was cut


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("resnet18", None), TypeError, r"model must be a torch\.nn\.Module, not str"),
        ((nn.Identity(), 3), TypeError, "example_input must be a tensor, a tuple or list .* not int"),
        ((nn.Identity(), "x"), TypeError, "not str"),
    ],
)
def test_senseless_arguments_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bake(*arguments)


@pytest.mark.parametrize(
    ("tolerance", "error", "message"),
    [
        (-0.1, ValueError, "tolerance=-0.1 must be at least 0 and below 1, such as 0.01"),
        (1, ValueError, "tolerance=1 must be at least 0 and below 1"),
        (math.nan, ValueError, "tolerance=nan must be"),
        ("tight", TypeError, "tolerance='tight' must be a number of at least 0 and below 1, not str"),
        (True, TypeError, "tolerance=True must be a number"),
    ],
)
def test_senseless_tolerances_are_refused(tolerance: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bake(nn.Identity(), torch.ones(1), tolerance=tolerance)


def test_what_the_model_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="input has 3 channels"):
        bake(FrequencyConv2d(2, 2), torch.randn(1, 3, 5, 5))
