from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from nifconv import SpatialFilter, convert
from nifconv.conversion._unsupported import obstacle, padding_for, size_obstacle
from tests.nets import convs, input_for


class Conv2dSame(nn.Conv2d):
    """A subclass, such as other libraries define."""


class CondConv2d(nn.Module):
    """A convolution of another library, with a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 8 * 8 * 9))


class Scaled(nn.Module):
    def forward(self, tensor: Tensor) -> Tensor:
        return 2 * tensor


pytestmark = pytest.mark.filterwarnings("ignore:convert replaced none")


def conv(**options: Any) -> Any:
    return nn.Conv2d(8, 8, **{"kernel_size": 3, "padding": 1, **options})


def changed(change: Any, **options: Any) -> Any:
    made = conv(**options)
    change(made)
    return made


def quantised() -> nn.Module:
    return type("Conv2d", (nn.Module,), {"__module__": "torch.ao.nn.quantized", "weight": lambda self: None})()


OLD = "its weight is computed before each call, as by torch.nn.utils.weight_norm, spectral_norm and prune in their old"
CASES: dict[str, tuple[Any, str]] = {
    "transposed": (lambda: nn.ConvTranspose2d(8, 8, 3), "ConvTranspose2d: transposed convolutions are not replaced"),
    "lazy": (lambda: nn.LazyConv2d(8, 3), "LazyConv2d has no shape yet; run the model once, then convert it"),
    "subclass": (lambda: Conv2dSame(8, 8, 3), "Conv2dSame is not a plain nn.ConvNd, and its forward may differ"),
    "foreign": (CondConv2d, "CondConv2d is not a plain nn.ConvNd"),
    "quantised": (quantised, "Conv2d is quantised; convert the model before quantising it"),
    "old spectral norm": (lambda: nn.utils.spectral_norm(conv()), OLD),
    "pruned": (lambda: prune.l1_unstructured(conv(), "weight", 0.5), OLD),
    "bias parametrized": (
        lambda: changed(lambda c: parametrize.register_parametrization(c, "bias", Scaled())),
        "its bias is parametrized; remove that first",
    ),
    "state_dict hook": (
        lambda: changed(lambda c: c.register_state_dict_post_hook(lambda *args: None)),
        "it has hooks on its state_dict, which would run on that of another layer; remove them first",
    ),
    "loading hook": (
        lambda: changed(lambda c: c.register_load_state_dict_pre_hook(lambda *args: None)),
        "it has hooks on its state_dict",
    ),
    "1x1": (lambda: conv(kernel_size=1, padding=0), "1x1: nothing spatial to replace"),
    "not finite": (lambda: changed(lambda c: nn.init.constant_(c.weight, torch.inf)), "its weights are not finite"),
    "complex": (lambda: conv(dtype=torch.complex64), "its weights are torch.complex64, but those of the new layer are"),
    "forward": (
        lambda: changed(lambda c: setattr(c, "forward", c.forward)),
        "its forward or its children were changed",
    ),
    "child": (
        lambda: changed(lambda c: c.add_module("norm", nn.Identity())),
        "its forward or its children were changed",
    ),
    "buffer": (
        lambda: changed(lambda c: c.register_buffer("mask", torch.ones(3))),
        "it holds more than weight and bias, which a new layer would lose: mask",
    ),
    "parameter": (
        lambda: changed(lambda c: c.register_parameter("scale", nn.Parameter(torch.ones(3)))),
        "it holds more than weight and bias, which a new layer would lose: scale",
    ),
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("options", [{}, {"to": "dense", "filter": SpatialFilter, "match": True}])
def test_what_cannot_be_replaced_is_kept_with_the_reason(kind: str, options: dict[str, Any]) -> None:
    make, reason = CASES[kind]
    model = nn.Sequential(make())
    for where in (None, lambda *_: True):
        conversion = convert(model, where=where, inplace=True, **options)
        (decision,) = conversion.report.decisions
        assert not decision.replaced
        assert decision.reason.startswith(reason)
        assert decision.residual is None
        assert decision.reason in str(conversion.report)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_old_weight_norm_is_kept_and_copied() -> None:
    conversion = convert(nn.Sequential(nn.utils.weight_norm(conv())))
    assert conversion.report.decisions[0].reason.startswith(OLD)


@pytest.mark.filterwarnings("ignore:.*torch.jit:", "ignore:`torch.jit")
def test_convolutions_inside_torchscript_are_kept() -> None:
    inside = torch.jit.trace(nn.Sequential(conv()), torch.randn(1, 8, 6, 6))
    model = nn.Sequential(conv(), inside)
    conversion = convert(model)
    reasons = {d.name: d.reason for d in conversion.report.kept}
    assert reasons == {"1.0": "Conv2d inside TorchScript, whose code is fixed; convert the model before scripting it"}
    x = torch.randn(1, 8, 6, 6)
    assert torch.equal(conversion.model[1](x), inside(x))


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_convolutions_without_channels() -> None:
    assert obstacle(nn.Conv2d(8, 0, 3)) == "it has no channels"


def test_new_parametrizations_and_hooks_on_the_run_are_no_obstacle() -> None:
    for made in (parametrizations.weight_norm(conv()), parametrizations.spectral_norm(conv())):
        made.register_forward_hook(lambda *args: None)
        assert obstacle(made) is None
        assert convert(made, to="dense", filter=SpatialFilter).report.replaced


def test_a_parametrized_weight_needs_taps_of_its_shape() -> None:
    for options in (
        {},
        {"to": "dense"},
        {"filter": SpatialFilter},
        {"to": "dense", "filter": SpatialFilter, "kernel_size": 5},
    ):
        (decision,) = convert(parametrizations.weight_norm(conv()), **options).report.decisions
        assert not decision.replaced
        assert "its weight is parametrized, and the new layer has no weight of that shape; use " in decision.reason


@pytest.mark.parametrize(
    ("options", "kernel", "reason"),
    [
        ({"padding": 0}, None, r"padding=(0, 0) with kernel_size=(3, 3) changes the size of the map"),
        ({"padding": "valid"}, None, "padding=valid with kernel_size=(3, 3) changes the size of the map"),
        ({"kernel_size": 4}, None, "give convert a kernel_size"),
        ({"dilation": 2}, None, "padding=(1, 1) with kernel_size=(3, 3) changes"),
        ({}, (4, 3), "no padding gives kernel_size=(4, 3) the output size that padding=(1, 1) gives (3, 3); choose a"),
        ({"padding": 0}, (1, 1), "no padding gives kernel_size=(1, 1)"),
        ({"padding": (1, 0)}, (1, 3), None),
        ({"padding": "same"}, (4, 6), None),
        ({"padding": "same"}, None, None),
        ({"dilation": 2}, (4, 4), None),
    ],
)
def test_kernels_that_would_change_the_size_of_the_map(options: Any, kernel: Any, reason: str) -> None:
    found = size_obstacle(conv(**options), kernel)
    assert found is None if reason is None else reason in found


@given(convs(odd=True))
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_the_padding_keeps_the_size_of_the_output(subject: Any) -> None:
    x = input_for(subject)
    for more in (0, 2, 4):
        kernel = [k + more for k in subject.kernel_size]
        assert size_obstacle(subject, kernel) is None
        padding = padding_for(subject, kernel)
        run = getattr(nn.functional, f"conv{len(kernel)}d")
        weight = torch.ones(*subject.weight.shape[:2], *kernel, dtype=x.dtype)
        y = run(x, weight, None, subject.stride, padding, subject.dilation, subject.groups)
        assert y.shape == subject(x).shape
