from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from nifconv import FilterBank, FrequencyConv2d, ImplicitFilter, LCConv2d, SpatialFilter, TableFilter, convert
from tests.nets import small_net
from tests.tolerances import assert_near

pytestmark = pytest.mark.filterwarnings("ignore:match=True leaves")
TARGETS: list[dict[str, Any]] = [{"to": "dense"}, {"to": "split"}, {"to": "lc", "expansion": 3}]


def conv(**options: Any) -> Any:
    return nn.Conv2d(8, 8, 3, **{"padding": 1, **options})


@pytest.mark.parametrize("options", TARGETS)
@pytest.mark.parametrize("match", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_bias_and_train_state_are_taken_over(options: dict[str, Any], match: bool, dtype: torch.dtype) -> None:
    for training in (True, False):
        old = conv(dtype=dtype).train(training)
        new = convert(old, match=match, filter=SpatialFilter, inplace=True, **options).model
        assert {p.dtype for p in new.parameters()} == {dtype}
        assert {m.training for m in new.modules()} == {training}
        last = new.pointwise if isinstance(new, LCConv2d) else new
        assert last.bias is old.bias
        assert new(torch.randn(1, 8, 5, 6, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("options", TARGETS)
def test_meta_models_stay_there(options: dict[str, Any]) -> None:
    new = convert(conv(device="meta"), **options).model
    assert all(p.is_meta for p in new.parameters())
    assert new(torch.randn(1, 8, 6, 6, device="meta")).shape == (1, 8, 6, 6)


@pytest.mark.parametrize("options", TARGETS)
@pytest.mark.parametrize("match", [True, False])
def test_what_did_not_learn_does_not(options: dict[str, Any], match: bool) -> None:
    for weight, bias in ((False, True), (True, False), (False, False)):
        old = conv()
        old.weight.requires_grad_(weight)
        old.bias.requires_grad_(bias)
        new = convert(old, match=match, filter=SpatialFilter, **options).model
        learning = {name: p.requires_grad for name, p in new.named_parameters()}
        assert {value for name, value in learning.items() if not name.endswith("bias")} == {weight}
        assert {value for name, value in learning.items() if name.endswith("bias")} == {bias}


@pytest.mark.parametrize("options", TARGETS)
@pytest.mark.parametrize("inplace", [True, False])
def test_hooks_run_on_the_new_layer(options: dict[str, Any], inplace: bool) -> None:
    net, seen = small_net(), []
    net.body.register_forward_hook(lambda module, args, output: seen.append(type(module).__name__))
    net.body.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    plain = small_net()
    plain.load_state_dict(net.state_dict())
    new = convert(net, where="body", filter=SpatialFilter, match=True, inplace=inplace, **options).model
    x = torch.randn(1, 3, 7, 7)
    new(x)
    assert seen == [type(new.body).__name__]
    unhooked = convert(plain, where="body", filter=SpatialFilter, match=True, **options).model
    x = torch.randn(1, 8, 5, 5)
    assert_near(new.body(x), unhooked.body(2 * x))
    assert len(new.body._forward_hooks) == 1


@pytest.mark.parametrize("register", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_parametrization_moves_to_the_taps_with_its_state(register: Any) -> None:
    old = register(conv(groups=2, padding_mode="circular"))
    old(torch.randn(1, 8, 5, 5))
    state = {name: value.clone() for name, value in old.state_dict().items()}
    new = convert(old, to="dense", filter=SpatialFilter, match=True).model
    assert parametrize.is_parametrized(new.filter, "weight")
    assert all(torch.equal(value, state[name]) for name, value in old.state_dict().items())
    x = torch.randn(1, 8, 6, 5)
    assert_near(new.eval()(x), old.eval()(x))
    new.train()(x).square().sum().backward()
    originals = list(new.filter.parametrizations.weight.parameters())
    assert originals
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in originals)


def test_without_match_a_parametrization_moves_to_new_taps_that_it_can_express() -> None:
    old = parametrizations.orthogonal(conv())  # of the last two axes
    new = convert(old, to="dense", filter=SpatialFilter).model
    taps = new.filter.weight
    assert (taps - old.weight).norm() > 0.1 * taps.norm()
    assert_near(taps @ taps.mT, torch.eye(3).expand(8, 8, 3, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_parametrization_keeps_its_dtype(dtype: torch.dtype) -> None:
    net = nn.Sequential(parametrizations.weight_norm(conv(dtype=dtype)))
    new = convert(net, to="dense", filter=SpatialFilter).model
    assert {parameter.dtype for parameter in new.parameters()} == {dtype}
    assert new(torch.randn(1, 8, 6, 6, dtype=dtype)).dtype == dtype


def test_what_a_parametrization_learns_is_kept() -> None:
    old = parametrizations.weight_norm(conv())
    old.parametrizations.weight.original0.requires_grad_(False)
    new = convert(old, to="dense", filter=SpatialFilter).model
    assert [p.requires_grad for p in new.filter.parametrizations.weight.parameters()] == [False, True]


def tied(**second: Any) -> nn.Sequential:
    one, two = conv(), conv(**second)
    two.weight = one.weight
    return nn.Sequential(one, nn.ReLU(), two)


@pytest.mark.parametrize("options", TARGETS)
@pytest.mark.parametrize("match", [True, False])
def test_convolutions_of_one_weight_become_layers_of_one_filter(options: dict[str, Any], match: bool) -> None:
    old = tied()
    new = convert(old, match=match, filter=SpatialFilter, **options).model
    first, second = new[0], new[2]
    assert first is not second
    if isinstance(first, LCConv2d):
        assert first.spatial.filter is second.spatial.filter
        assert first.pointwise.weight is second.pointwise.weight
        first, second = first.pointwise, second.pointwise
    else:
        assert first.filter is second.filter
    assert first.bias is not second.bias
    if match and options["to"] == "dense":
        x = torch.randn(1, 8, 6, 6)
        assert_near(new(x), old(x))


@pytest.mark.filterwarnings("ignore:convert replaced none")
def test_tied_convolutions_that_cannot_stay_tied_are_kept() -> None:
    reason = "its weight is tied to that of another module; replacing it would untie them"
    outside = nn.Sequential(conv(), nn.Module())
    outside[1].weight = outside[0].weight
    partly = tied(stride=2)
    other_groups = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.Conv2d(4, 8, 3, padding=1))
    other_groups[1].weight = other_groups[0].weight

    def everything(*_: object) -> bool:
        return True

    for model, where, options in (
        (outside, everything, {}),
        (partly, None, {}),
        (other_groups, everything, {}),
        (tied(), everything, {"to": lambda name, conv: nn.Sequential()}),
    ):
        kept = convert(model, where=where, **options).report.kept
        assert kept
        assert all(d.reason == reason and d.after is None for d in kept)


@pytest.mark.filterwarnings("ignore:convert replaced none")
def test_parametrizations_of_one_weight_are_kept_as_they_are() -> None:
    model = nn.Sequential(parametrizations.weight_norm(conv()), parametrizations.weight_norm(conv()))
    model[1].parametrizations.weight.original1 = model[0].parametrizations.weight.original1
    conversion = convert(model, to="dense", filter=SpatialFilter)
    assert all("its weight is tied to that of another module" in d.reason for d in conversion.report.kept)
    assert len(conversion.report.kept) == 2
    one, two = (m.parametrizations.weight.original1 for m in conversion.model)
    assert one is two


def test_a_bank_is_one_module_of_all_layers() -> None:
    bank = FilterBank(partial(ImplicitFilter, hidden=(4,)), 16)
    model = convert(nn.Sequential(conv(), conv()), filter=bank, inplace=True).model
    assert model[0].spatial.filter.bank is model[1].spatial.filter.bank is bank.filter


def test_a_module_that_a_function_returns_gets_the_state_of_the_old_one() -> None:
    old = conv(dtype=torch.float64).eval()
    new = convert(old, to=lambda name, c: nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())).model
    assert {p.dtype for p in new.parameters()} == {torch.float64}
    assert not any(m.training for m in new.modules())


def test_a_function_chooses_layer_by_layer() -> None:
    asked = []

    def to(name: str, _: Any) -> nn.Module | None:
        asked.append(name)
        return nn.Identity() if name == "body" else None

    report = convert(small_net(), to=to).report
    assert asked == ["body", "depthwise"]
    reasons = {d.name: d.reason for d in report.decisions}
    assert reasons["body"] == "Conv2d -> Identity, returned by `to`"
    assert reasons["depthwise"] == "left alone by `to`"


class StandardizedConv2d(nn.Conv2d):
    """A convolution of another library, with a state of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize("where", [None, StandardizedConv2d, lambda name, _: name == "0"])
def test_a_function_replaces_convolutions_of_other_libraries(where: Any) -> None:
    model = nn.Sequential(StandardizedConv2d(8, 8, 3, padding=1), StandardizedConv2d(8, 8, 1))
    asked = []

    def to(_: str, old: nn.Module) -> nn.Module:
        asked.append(type(old))
        return FrequencyConv2d(old.in_channels, old.out_channels)

    conversion = convert(model, to=to, where=where)
    assert asked == [StandardizedConv2d]  # that of one pixel has nothing spatial to replace
    assert isinstance(conversion.model[0], FrequencyConv2d)
    torch.testing.assert_close(conversion.model[0].bias, model[0].bias, rtol=0, atol=0)
    assert conversion.model(torch.randn(1, 8, 6, 6)).shape == (1, 8, 6, 6)


@pytest.mark.parametrize("options", [{}, {"to": lambda *_: nn.Identity(), "match": True}])
@pytest.mark.filterwarnings("ignore:convert replaced none")
def test_convolutions_of_other_libraries_are_kept_where_their_function_would_have_to_be_known(options: Any) -> None:
    (kept,) = convert(StandardizedConv2d(8, 8, 3, padding=1), **options).report.kept
    assert kept.reason == (
        "StandardizedConv2d is not a plain nn.ConvNd, and its forward may differ; a function `to` without match can "
        "replace it"
    )


def test_a_function_that_returns_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match="`to` returned a int for 'body'; it must return a module, or None"):
        convert(small_net(), to=lambda name, old: 3)


def test_a_model_that_fails_after_the_exchange_is_put_back() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.conv2d(x, self.conv.weight, padding=1)

    model = Reads()
    old, x = model.conv, torch.randn(1, 8, 5, 5)
    with pytest.raises(AttributeError, match="weight"):
        convert(model, to="dense", filter=partial(TableFilter, size=5), match=True, example_input=x, inplace=True)
    assert model.conv is old
    assert model(x).shape == x.shape
