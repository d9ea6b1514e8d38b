"""The survey of a model: which layers it lists, at which sizes, and in which stages."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nifconv import FrequencyConv1d, FrequencyConv2d, LCConv2d, convert, footprint
from nifconv.footprint._survey import default_stage


class Net(nn.Module):
    """A layer of every kind, at sizes that differ from layer to layer; one of them runs twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 5, padding=2)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(4)
        self.circular = FrequencyConv2d(4, 4, groups=4)
        self.linear = FrequencyConv2d(4, 4, padding_mode="zeros")
        self.seven = FrequencyConv2d(4, 4, 7)
        self.pointwise = nn.Conv2d(4, 4, 1)
        self.transposed = nn.ConvTranspose2d(4, 4, 3)
        self.idle = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        x = self.norm(self.pool(self.plain(x)))
        x = self.linear(self.pool(self.circular(x)))
        return self.transposed(self.pointwise(self.seven(self.circular(x)))) * scale


def test_layers_are_taken_at_the_sizes_they_run_at() -> None:
    model = Net()
    survey = footprint.survey(model, torch.randn(2, 3, 24, 20))
    found = [(layer.name, layer.kind, layer.map_size, tuple(layer.taps.shape)) for layer in survey.layers]
    assert found == [
        ("plain", "Conv2d", (24, 20), (4, 3, 5, 5)),
        ("circular", "FrequencyConv2d", (12, 10), (4, 1, 12, 10)),
        ("linear", "FrequencyConv2d", (6, 5), (4, 4, 11, 9)),
        ("circular", "FrequencyConv2d", (6, 5), (4, 1, 6, 5)),
        ("seven", "FrequencyConv2d", (6, 5), (4, 4, 7, 7)),
    ]
    assert survey.not_run == ("idle",)
    assert torch.equal(survey.layers[0].taps, model.plain.weight)
    assert_close(survey.layers[1].taps, model.circular.filter.taps((12, 10)).detach())


def test_the_model_is_left_as_it_was() -> None:
    model = Net()
    model.pool.eval()
    modes = {name: m.training for name, m in model.named_modules()}
    state = {name: value.clone() for name, value in model.state_dict().items()}
    footprint.survey(model, torch.randn(2, 3, 24, 20))
    assert {name: m.training for name, m in model.named_modules()} == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_a_failing_model_is_left_as_it_was_too() -> None:
    model = Net()
    with pytest.raises(RuntimeError, match="channels"):
        footprint.survey(model, torch.randn(2, 5, 24, 20))
    assert model.training
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_unbatched_several_and_keyword_inputs() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = FrequencyConv1d(1, 1), FrequencyConv1d(1, 1)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return self.left(a).sum() + self.right(input=b).sum()

    inputs = {"a": torch.randn(1, 9), "b": torch.randn(2, 1, 7)}
    for given in (inputs, tuple(inputs.values()), list(inputs.values())):
        survey = footprint.survey(Pair(), given)
        assert [layer.map_size for layer in survey.layers] == [(9,), (7,)]


def test_runs_without_gradients_and_sees_flat_kernels() -> None:
    class Probe(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert not torch.is_grad_enabled()
            assert not self.training
            return x

    survey = footprint.survey(nn.Sequential(nn.Conv2d(1, 1, (1, 7)), Probe()), torch.randn(1, 1, 9, 9))
    assert [tuple(layer.taps.shape[2:]) for layer in survey.layers] == [(1, 7)]
    assert survey.layers[0] != survey.layers[0].taps


def test_a_survey_turns_into_plain_data() -> None:
    survey = footprint.survey(Net(), torch.randn(2, 3, 24, 20))
    data = json.loads(json.dumps(survey.to_dict(), allow_nan=False))
    assert data["not_run"] == ["idle"]
    first = data["layers"][0]
    assert first["windows"] == [1, 3, 5]
    assert first["kernels"] == 12
    assert first["mass_ratio"][-1] == 1.0
    assert first["measures"]["size90"][1] in (1, 3, 5)
    assert set(first["measures"]) == {measure.name for measure in footprint.MEASURES}
    assert first["mass_ratio"][0] == pytest.approx(survey.layers[0].mass_ratio[..., 0].median().item(), abs=0.02)


def test_a_converted_model_shows_kernels_as_large_as_its_maps() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1))
    survey = footprint.survey(convert(net).model, torch.randn(1, 3, 18, 18))
    assert [layer.taps.shape[2:] for layer in survey.layers] == [(3, 3), (9, 9)]
    assert survey.layers[1].name == "2.spatial"


def test_layers_are_grouped_by_the_first_part_of_their_name_with_a_digit() -> None:
    names = ["layer1.0.conv1", "features.0.0", "features.1.0.block.0", "conv1", "stem.conv", "stages.2.blocks.1.dw", ""]
    stages = ["layer1", "features.0", "features.1", "conv1", "stem", "stages.2", ""]
    assert [default_stage(name) for name in names] == stages


def test_layers_are_grouped_by_pattern_or_function() -> None:
    x = torch.randn(2, 3, 24, 20)
    survey = footprint.survey(Net(), x, groups={"mine": "c*", "never": "circular", "rest": "[ps]*"})
    found = {stage: [layer.name for layer in layers] for stage, layers in survey.stages.items()}
    assert found == {"rest": ["plain", "seven"], "mine": ["circular", "circular"], "other": ["linear"]}
    survey = footprint.survey(Net(), x, groups=lambda name: name[0])
    assert list(survey.stages) == ["p", "c", "l", "s"]


def test_only_kernels_as_large_as_a_map_that_wraps_around_are_periodic() -> None:
    survey = footprint.survey(Net(), torch.randn(2, 3, 24, 20))
    assert [layer.name for layer in survey.layers if layer.periodic] == ["circular", "circular"]


def test_blocks_are_listed_by_their_combined_kernels_where_these_differ_from_the_spatial_ones() -> None:
    model = nn.Sequential(
        LCConv2d(3, 4),  # one filter per channel: combined kernels are multiples
        LCConv2d(4, 5, expansion=2),
        LCConv2d(5, 2, 3, depthwise=False, padding_mode="zeros", stride=2),
        LCConv2d(2, 2, 1, expansion=2),
    )
    survey = footprint.survey(model, torch.randn(1, 3, 8, 8))
    found = [(layer.name, layer.kind, tuple(layer.taps.shape)) for layer in survey.layers]
    assert found == [
        ("0.spatial", "FrequencyConv2d", (3, 1, 8, 8)),
        ("1", "LCConv2d", (5, 4, 8, 8)),
        ("1.spatial", "FrequencyConv2d", (8, 1, 8, 8)),
        ("2", "LCConv2d", (2, 5, 3, 3)),
        ("2.spatial", "FrequencyConv2d", (2, 5, 3, 3)),
    ]
    assert_close(survey.layers[1].taps, model[1].combined_taps(8).detach())


def test_the_loop_over_layers_can_be_watched() -> None:
    lengths = []

    def watch(jobs: Any) -> Any:
        lengths.append(len(jobs))
        return jobs

    footprint.survey(Net(), torch.randn(2, 3, 24, 20), progress=watch)
    assert lengths == [5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), 3),
            TypeError,
            "example_input must be a tensor, a tuple or list.*not int",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3, device="meta"), torch.zeros(1, 1, 5, 5, device="meta")),
            ValueError,
            "Conv2d '' is on the meta device and has no weights; load them first",
        ),
        (lambda: footprint.survey("net", torch.zeros(1)), TypeError, r"model must be a torch\.nn\.Module, not str"),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5), null=-1),
            ValueError,
            "null=-1 must be at least 0, the number of re-initialised copies",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5), null=2.5),
            TypeError,
            r"null=2\.5 must be an integer",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5), seed="a"),
            TypeError,
            "seed='a' must be an integer",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5), groups=3),
            TypeError,
            "groups=3 must be a function from a layer's name to its stage, or a mapping from stages to patterns",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5)).layers[0].values("girth"),
            ValueError,
            "measure='girth' is unknown; use one of 'size50'",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5)).plot("pie"),
            ValueError,
            "kind='pie' is unknown; use one of 'mass', 'depth', 'kernels'",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 5, 5)).plot(stage="layer9"),
            ValueError,
            "stage='layer9' is unknown; use one of ''",
        ),
        (
            lambda: footprint.survey(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 5, 5)).plot(),
            ValueError,
            "no layer to draw: the model ran no spatial convolution",
        ),
    ],
)
def test_errors_name_value_and_rule(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
