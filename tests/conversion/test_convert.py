import json
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import convnext_tiny, mobilenet_v2, resnet18

from nifconv import (
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    TableFilter,
    convert,
    frozen,
)
from nifconv.layers._conv import FrequencyConv
from tests.nets import small_net


def replaced(report: Any) -> list[str]:
    return [d.name for d in report.replaced]


def test_default_choice_and_the_reasons_in_the_report() -> None:
    model, report = (c := convert(small_net())).model, c.report
    assert replaced(report) == ["body", "depthwise"]
    reasons = {d.name: d.reason for d in report.kept}
    assert "stem of 3 input channels" in reasons["stem"]
    assert "stride=(2, 2)" in reasons["down"]
    assert "1x1" in reasons["pointwise"]
    assert isinstance(model.body.spatial, FrequencyConv2d)
    assert isinstance(model.depthwise, FrequencyConv2d)
    assert model(torch.randn(2, 3, 12, 13)).shape == small_net()(torch.randn(2, 3, 12, 13)).shape


def test_the_report_prints_and_serialises_what_happened() -> None:
    model, report = (c := convert(small_net())).model, c.report
    text = str(report)
    before = sum(d.parameters_before for d in report.replaced)
    after = sum(p.numel() for p in (*model.body.parameters(), *model.depthwise.parameters()))
    assert text.startswith(f"replaced 2 of 5 convolutions; their parameters: {before:,} -> {after:,}")
    for name in ("stem", "body", "down", "depthwise", "pointwise"):
        assert sum(line.split()[:1] == [name] for line in text.splitlines()) == 1
    layers = {layer["name"]: layer for layer in json.loads(json.dumps(report.to_dict()))["layers"]}
    assert layers["body"]["parameters_before"] == 16 * 8 * 9 + 16
    assert layers["body"]["parameters_after"] == sum(p.numel() for p in model.body.parameters())
    assert layers["stem"]["parameters_after"] == layers["stem"]["parameters_before"]


def test_shared_modules_stay_shared() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(8, 8, 3, padding=1)
            self.second = nn.Sequential(self.first, nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x))

    model = convert(Twice(), to="dense").model
    assert isinstance(model.first, FrequencyConv2d)
    assert model.first is model.second[0]
    assert len(convert(Twice()).report.decisions) == 1


def test_a_module_that_one_parent_holds_twice_is_replaced_twice() -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1)
    model = convert(nn.Sequential(conv, nn.ReLU(), conv), to="dense", inplace=True).model
    assert isinstance(model[0], FrequencyConv2d)
    assert model[0] is model[2]


def test_every_name_of_a_shared_module_can_choose_it() -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1)
    for where in ("b.*", lambda name, conv: name.startswith("b")):
        net = nn.ModuleDict({"a": nn.Sequential(conv), "b": nn.Sequential(conv)})
        conversion = convert(net, where=where, to="dense")
        (decision,) = conversion.report.replaced
        assert (decision.name, decision.aliases) == ("a.0", ("b.0",))
        assert conversion.model["a"][0] is conversion.model["b"][0]


@pytest.mark.filterwarnings("ignore:convert replaced none")
@pytest.mark.parametrize(("channels", "kept"), [(1, True), (4, True), (5, False)])
def test_the_stem_is_a_first_convolution_that_reads_an_image(channels: int, kept: bool) -> None:
    (decision,) = convert(nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1))).report.decisions
    assert decision.replaced != kept
    assert convert(nn.Conv2d(channels, 8, 3, padding=1)).report.replaced


def test_a_filter_that_lacks_an_argument_is_named() -> None:
    with pytest.raises(TypeError, match=r"needs size, which the layer cannot know.*functools\.partial\(filter, size="):
        convert(nn.Conv2d(8, 8, 3, padding=1), filter=TableFilter)


def test_frozen_lc_blocks_leave_only_the_1x1_to_learn() -> None:
    c = convert(resnet18(num_classes=5), to="lc", expansion=2, filter=frozen(ImplicitFilter, seed=0))
    for decision in c.report.replaced:
        block = c.model.get_submodule(decision.name)
        assert {name.split(".")[0] for name, _ in block.named_parameters()} == {"pointwise"}
    c.model(torch.randn(2, 3, 64, 64)).sum().backward()


def test_the_original_is_left_alone_unless_asked() -> None:
    net = small_net()
    assert isinstance(net.body, nn.Conv2d)
    other = convert(net).model
    assert other is not net
    assert isinstance(net.body, nn.Conv2d)
    assert other.stem.weight is not net.stem.weight
    assert convert(net, inplace=True).model is net
    assert isinstance(net.body.spatial, FrequencyConv2d)


def test_converting_twice_changes_nothing_more() -> None:
    once = convert(small_net()).model
    with pytest.warns(
        UserWarning, match=r"convert replaced none of 4 convolutions \(stem: stem of 3 input channels: kept"
    ):
        assert not convert(once).report.replaced


@pytest.mark.parametrize("make", [resnet18, mobilenet_v2, convnext_tiny])
@pytest.mark.parametrize("to", ["split", "dense"])
def test_known_networks_train_after_conversion(make: Any, to: str) -> None:
    model, report = (
        (c := convert(make(num_classes=5), to=to, filter=partial(ImplicitFilter, hidden=(4,)))).model,
        c.report,
    )
    assert len(report.replaced) >= 10
    y = model(torch.randn(2, 3, 64, 64))
    assert y.shape == (2, 5)
    y.square().sum().backward()
    for module in model.modules():
        if isinstance(module, FrequencyConv):
            assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"to": "sparse"}, ValueError, "to='sparse' is unknown; use one of 'split', 'dense', 'lc'"),
        ({"padding_mode": "wrap"}, ValueError, "padding_mode='wrap' is unknown"),
        ({"kernel_size": 0}, ValueError, "kernel_size=0 must be at least 1"),
        ({"kernel_size": "3"}, TypeError, "kernel_size='3' must be an integer"),
        ({"where": "layer1.*"}, ValueError, r"where='layer1\.\*' matches none of the 5 convolutions: stem, body"),
        ({"where": ["body", 3]}, TypeError, "where=3 must be a name pattern or several of them"),
        ({"where": 3}, TypeError, "where=3 must be a name pattern .* or a predicate"),
        ({"expansion": 0, "to": "lc"}, ValueError, "expansion=0 must be at least 1"),
        ({"expansion": 2}, ValueError, "expansion=2 has no meaning for to='split'; use to='lc'"),
        ({"filter": FilterBank(ImplicitFilter, 4)}, ValueError, "kernels=4 are too few for a layer of 8 x 1 channels"),
        ({"filter": "implicit"}, TypeError, "filter='implicit' must be a filter class"),
        ({"filter": {"body": "implicit"}}, TypeError, "filter='implicit' must be a filter class"),
        ({"filter": {3: ImplicitFilter}}, TypeError, "filter has the key 3; use the name of a layer, a pattern of nam"),
        ({"tolerance": 0.5}, ValueError, "tolerance=0.5 needs match=True, since nothing is compared without it"),
        ({"tolerance": -1, "match": True}, ValueError, "tolerance=-1 must be a finite number above 0"),
    ],
)
def test_invalid_arguments_are_refused_and_the_model_is_unchanged(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    net = small_net()
    before = repr(net)
    with pytest.raises(error, match=message):
        convert(net, inplace=True, **options)
    assert repr(net) == before


def test_refuses_what_is_not_a_module() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, not str"):
        convert("resnet18")
