import io
import json
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import FrequencyConv2d, convert, footprint
from nifconv.footprint import ReceptiveField, effective_receptive_field


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_linear_layer_shows_its_kernel(ndim: int) -> None:
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[ndim](2, 1, 3, padding=1)
    (field,) = effective_receptive_field(conv, torch.randn(3, 2, *(8, 7, 6)[:ndim]))
    expected = torch.zeros((8, 7, 6)[:ndim], dtype=torch.float64)
    expected[tuple(slice(n // 2 - 1, n // 2 + 2) for n in (8, 7, 6)[:ndim])] = (
        conv.weight.detach().double().abs()[0].sum(0)
    )
    assert_close(field.contribution, expected / expected.sum())
    assert (field.layer, field.inputs) == ("", 3)


def test_boxes_give_triangles_and_strides_keep_the_centre() -> None:
    net = nn.Sequential(*[nn.Conv1d(1, 1, 3, padding=1, bias=False) for _ in range(2)])
    for conv in net:
        nn.init.ones_(conv.weight)
    (field,) = effective_receptive_field(net, torch.randn(1, 1, 16))
    assert_close(field.contribution[6:11], torch.tensor([1.0, 2, 3, 2, 1]).double() / 9)
    assert [field.side(share) for share in (1 / 3, 7 / 9, 1.0)] == [1, 3, 5]
    assert_close(field.area(1.0), 5 / 16)
    net[0] = nn.Conv1d(1, 1, 3, 2, padding=1, bias=False)
    nn.init.ones_(net[0].weight)
    (field,) = effective_receptive_field(net, torch.randn(1, 1, 16))
    assert_close(field.contribution[5:12], torch.tensor([1.0, 1, 2, 1, 2, 1, 1]).double() / 9)


def test_a_global_kernel_sees_everything() -> None:
    (field,) = effective_receptive_field(FrequencyConv2d(1, 4), torch.randn(2, 1, 9, 8))
    assert (field.contribution > 0).all()
    assert field.side(1.0) == 9
    assert field.area(1.0) == 1.0


class Block(nn.Module):
    """Rectifies in place what its convolution returns, normalises over channels and ends in logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.norm = nn.GroupNorm(1, 4)
        self.drop = nn.Dropout(0.5)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.idle = nn.Conv2d(1, 1, 3)
        self.side = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.drop(self.norm(self.act(self.conv(x))))).flatten(1)


def test_the_last_map_is_found_and_the_model_is_left_as_it_was() -> None:
    model = Block()
    model.norm.eval()
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    before = {name: m.training for name, m in model.named_modules()}
    x = torch.randn(2, 1, 8, 8)
    state = torch.get_rng_state()
    (field,) = effective_receptive_field(model, x)
    assert field.layer == "drop"
    assert field.side(1.0) > 3  # through the normalisation every pixel counts a little
    assert torch.equal(torch.get_rng_state(), state)
    assert {name: m.training for name, m in model.named_modules()} == before
    assert torch.equal(model.conv.weight.grad, torch.ones_like(model.conv.weight))
    assert x.grad is None
    assert not any(m._forward_hooks for m in model.modules())


def test_a_layer_is_seen_before_what_follows_writes_into_it() -> None:
    model = Block()
    (field,) = effective_receptive_field(model, torch.randn(64, 1, 8, 8), layer="conv")
    assert (field.contribution > 0).sum() == 9
    rectified = effective_receptive_field(model, torch.randn(64, 1, 8, 8), layer="conv", positive=True)[0]
    assert rectified.contribution.sum() == pytest.approx(1)
    assert not torch.equal(rectified.contribution, field.contribution)


def test_the_positive_score_is_that_of_its_definition() -> None:
    conv, x = nn.Conv2d(1, 3, 3, padding=1), torch.randn(1, 1, 6, 6)
    with torch.no_grad():
        conv.bias.copy_(torch.tensor([9.0, -9.0, 9.0]))
    (field,) = effective_receptive_field(conv, x, positive=True)
    fires = (conv(x)[0, :, 3, 3] > 0).double()
    expected = torch.zeros(6, 6, dtype=torch.float64)
    expected[2:5, 2:5] = torch.einsum("o,ohw->hw", fires, conv.weight.detach()[:, 0].double()).relu()
    assert_close(field.contribution, expected / expected.sum())


def test_batches_make_no_difference_and_sizes_come_in_order() -> None:
    net = convert(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))).model
    x = torch.randn(5, 1, 8, 8)
    (one,), (other,) = (effective_receptive_field(net, x, batch_size=b) for b in (2, 5))
    assert_close(one.contribution, other.contribution)
    jobs = []

    def watch(given: Any) -> Any:
        jobs.append(len(given))
        return given

    fields = effective_receptive_field(net, x, sizes=[6, (10, 4)], batch_size=2, progress=watch)
    assert [tuple(field.contribution.shape) for field in fields] == [(6, 6), (10, 4)]
    assert jobs == [6]
    # A size is measured with the same signs whatever comes before it.
    (alone,) = effective_receptive_field(net, x, sizes=[(10, 4)], batch_size=2)
    assert torch.equal(alone.contribution, fields[1].contribution)


@pytest.mark.parametrize(("output", "pixels"), [(None, 4), ("coarse", 4), ("fine", 9)])
def test_of_several_outputs_the_first_map_counts_or_the_one_that_is_named(output: str | None, pixels: int) -> None:
    (field,) = effective_receptive_field(Several(), torch.randn(4, 1, 8, 8), output=output)
    assert (field.layer, (field.contribution > 0).sum()) == ("", pixels)
    assert_close(field.contribution.sum(), torch.tensor(1.0).double())


def test_outputs_of_a_tuple_have_an_index_and_are_cloned_one_by_one() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x * 2, nn.functional.avg_pool2d(x, 3, 1, 1)

    # The activation writes into an output of the pair, which autograd would refuse without a copy.
    model = nn.Sequential(Pair(), Last(), nn.ReLU(inplace=True))
    for output, pixels in ((None, 1), (0, 1), (1, 9), (-1, 9)):
        (field,) = effective_receptive_field(model, torch.randn(2, 1, 8, 8), layer="0", output=output)
        assert (field.contribution > 0).sum() == pixels


def test_plain_data_and_nothing_to_see() -> None:
    (field,) = effective_receptive_field(nn.Conv2d(1, 1, 5, padding=2), torch.randn(1, 1, 9, 9))
    data = json.loads(json.dumps(field.to_dict(), allow_nan=False))
    assert data["side"]["0.99"] in (3, 5)
    assert data["size"] == [9, 9]
    assert data["gaussian"] == field.gaussian
    dead = nn.Conv2d(1, 1, 3, padding=1)
    nn.init.zeros_(dead.weight)
    data = effective_receptive_field(dead, torch.randn(1, 1, 9, 9))[0].to_dict()
    assert data["side"]["0.5"] is None
    assert data["area"]["0.5"] is None
    assert data["gaussian"] is None


@pytest.mark.parametrize("ndim", [1, 2])
def test_the_map_can_be_drawn(ndim: int) -> None:
    conv = {1: nn.Conv1d, 2: nn.Conv2d}[ndim](1, 4, 5, padding=2)
    (field,) = effective_receptive_field(conv, torch.randn(1, 1, *(16,) * ndim))
    figure = field.plot()
    figure.savefig(io.BytesIO(), format="png")
    assert figure.axes[0].get_xlabel() == "offset from the centre, pixels"
    assert figure.axes[0].get_xlim() == (-8.5, 7.5)


def test_the_map_can_be_drawn_over_an_image_which_is_seen_where_nothing_contributes() -> None:
    shares = torch.zeros(8, 6).double()
    shares[4, 3], shares[4, 2] = 0.99, 0.01
    image = torch.arange(12.0).view(3, 2, 2) - 5
    axes = ReceptiveField("a", shares, 1).plot(image=image).axes[0]
    under, over = axes.get_images()
    assert under.get_array().shape == (8, 6)
    assert_close(torch.as_tensor(under.get_array().data)[[0, 0, -1], [0, -1, -1]], image.mean(0)[[0, 0, 1], [0, 1, 1]])
    opacity = torch.as_tensor(over.get_alpha())
    assert opacity.argmax() == 4 * 6 + 3
    assert 0 < opacity[4, 2] < opacity[4, 3] < 1
    assert opacity.count_nonzero() == 2


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    field = ReceptiveField("a", torch.full((4, 4), 1 / 16).double(), 1)
    with pytest.raises(ImportError, match="plots need matplotlib"):
        field.plot()


class Several(nn.Module):
    """Logits, a coarse map and, in a tuple, a fine one."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.fine = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Any:
        return {"logits": x.flatten(1), "coarse": self.pool(x), "fine": (self.fine(x),)}


class Last(nn.Module):
    def forward(self, several: tuple[Tensor, ...]) -> Tensor:
        return several[-1]


class Ignores(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x).detach()


X = torch.randn(1, 1, 8, 8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: effective_receptive_field("net", X), TypeError, r"model must be a torch\.nn\.Module, not str"),
        (
            lambda: effective_receptive_field(Block(), [X]),
            TypeError,
            r"example_input must be a torch\.Tensor, not list",
        ),
        (lambda: effective_receptive_field(Block(), X.int()), TypeError, r"example_input has dtype torch\.int32"),
        (lambda: effective_receptive_field(Block(), X[0, 0]), ValueError, r"shape \(8, 8\), but needs \(n, channels"),
        (lambda: effective_receptive_field(Block(), X[:0]), ValueError, r"shape \(0, 1, 8, 8\).*none empty"),
        (lambda: effective_receptive_field(Block(), X, batch_size=0), ValueError, "batch_size=0 must be at least 1"),
        (lambda: effective_receptive_field(Block(), X, sizes=[0]), ValueError, "sizes=0 must be at least 1"),
        (lambda: effective_receptive_field(Block(), X, sizes=[]), ValueError, r"sizes=\[\] gives no size"),
        (lambda: effective_receptive_field(Block(), X, seed=0.5), TypeError, r"seed=0\.5 must be an integer"),
        (
            lambda: effective_receptive_field(Block(), X, layer="head"),
            ValueError,
            "layer='head' is not a module of the model; use one of 'conv', 'act'",
        ),
        (lambda: effective_receptive_field(Block(), X, layer="idle"), ValueError, "layer='idle' did not run"),
        (
            lambda: effective_receptive_field(Block(), X, layer=""),
            ValueError,
            r"layer='' returned \(1, 4\), but must return a map \(1, channels, 2 spatial axes\)",
        ),
        (
            lambda: effective_receptive_field(Several(), X, output="logits"),
            ValueError,
            r"layer=None finds no module that returns a map .* of shape \(1, 1, 8, 8\)",
        ),
        (
            lambda: effective_receptive_field(Several(), X, layer="", output="logits"),
            ValueError,
            r"layer='' returned dict of \(1, 64\), \(1, 1, 4, 4\), \(1, 2, 8, 8\), .* others, output='logits'; name",
        ),
        (
            lambda: effective_receptive_field(Several(), X, layer="pool", output=0),
            ValueError,
            r"layer='pool' returned \(1, 1, 4, 4\), .*output=0; name",
        ),
        (
            lambda: effective_receptive_field(Several(), X, output=sorted),
            ValueError,
            "output=<built-in function sorted> is a function of what one layer returns; give the name of that layer",
        ),
        (
            lambda: effective_receptive_field(Several(), X, layer="", grid=(5, 7)),
            ValueError,
            r"layer='' returned dict of .*, grid=\(5, 7\); name another layer, its output or its grid",
        ),
        (lambda: effective_receptive_field(Several(), X, grid=0), ValueError, "grid=0 must be at least 1"),
        (lambda: effective_receptive_field(Ignores(), X), ValueError, "layer='' does not depend on the input"),
        (lambda: ReceptiveField("", X[0, 0], 1).side(0), ValueError, "share=0 must be a finite number above 0"),
        (lambda: ReceptiveField("", X[0, 0], 1).side(90), ValueError, "share=90 must be above 0 and at most 1"),
        (lambda: ReceptiveField("", X[0, 0], 1).area("a"), TypeError, "share='a' must be a number"),
        (
            lambda: ReceptiveField("", X[0, 0], 1).plot(image=X),
            ValueError,
            r"image has the shape \(1, 1, 8, 8\), but needs \(channels, rows, columns\), none empty",
        ),
        (
            lambda: ReceptiveField("", X[0, 0], 1).plot(image=X[0].byte()),
            TypeError,
            r"image has dtype torch\.uint8",
        ),
        (
            lambda: ReceptiveField("", torch.ones(2, 3, 4), 1).plot(),
            ValueError,
            r"of shape \(2, 3, 4\) cannot be drawn, only 1 or 2 axes can; use `side` and `area`",
        ),
    ],
)
def test_errors_name_value_and_rule(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_it_is_public() -> None:
    assert footprint.effective_receptive_field is effective_receptive_field
