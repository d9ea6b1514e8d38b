"""Models by name."""

import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18
from torchvision.models._api import WeightsEnum

from nifconv.models import NamedModel, takes

OWN = """
import torch
from torch import nn

def net(num_classes=2, width=3):
    return nn.Linear(width, num_classes)

def fixed():
    return nn.Linear(1, 1)

def anything(**arguments):
    return nn.Linear(1, arguments["num_classes"])

def number():
    return 3

WORD = "net"
"""


@pytest.fixture(autouse=True)
def _own_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_nets.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)


@pytest.mark.parametrize("name", ["squeezenet1_1", "lcnet_050", "lraspp_mobilenet_v3_large", "timm:resnet18"])
def test_names_of_the_libraries(name: str) -> None:
    assert list(NamedModel(name).build().parameters())


def test_a_library_is_chosen_by_a_prefix() -> None:
    assert type(NamedModel("timm:resnet18").build()).__module__.startswith("timm")
    assert type(NamedModel("torchvision:resnet18").build()).__module__.startswith("torchvision")


def test_heads_and_channels() -> None:
    assert NamedModel("resnet18", num_classes=7).build().fc.out_features == 7
    assert NamedModel("timm:lcnet_050", num_classes=7, in_channels=1).build()(torch.randn(2, 1, 32, 32)).shape == (2, 7)
    own = NamedModel("my_nets:net", num_classes=5, arguments={"width": 4}).build()
    assert own.weight.shape == (5, 4)
    assert NamedModel("my_nets:anything", num_classes=6).build().out_features == 6


def test_what_a_function_can_be_told() -> None:
    assert takes("my_nets:net", "num_classes")
    assert not takes("my_nets:net", "in_channels")
    assert takes("my_nets:anything", "in_channels")
    assert takes("resnet18", "num_classes")


def test_published_weights_are_taken_except_for_a_head_of_another_size(monkeypatch: pytest.MonkeyPatch) -> None:
    published = resnet18(weights=None).state_dict()
    asked: list[str] = []

    def answer(weights: WeightsEnum, **_: object) -> dict[str, torch.Tensor]:
        asked.append(weights.name)
        return published

    monkeypatch.setattr(WeightsEnum, "get_state_dict", answer)
    whole = NamedModel("resnet18").build(pretrained=True)
    assert all(torch.equal(value, published[name]) for name, value in whole.state_dict().items())
    small = NamedModel("resnet18", num_classes=5, arguments={"weights": "DEFAULT"}).build()
    assert small.fc.out_features == 5
    assert torch.equal(small.conv1.weight, published["conv1.weight"])
    assert asked == ["IMAGENET1K_V1", "IMAGENET1K_V1"]


@pytest.mark.parametrize("named", [NamedModel("a"), NamedModel("b:c", 3, 1, {"width": [2, None]})])
def test_a_name_as_data(named: NamedModel) -> None:
    assert NamedModel.from_spec(named.to_spec()) == named


@pytest.mark.parametrize(
    ("named", "error", "message"),
    [
        (NamedModel("resnet5000"), ValueError, r"unknown model 'resnet5000' \(searched torchvision, timm\); give a n"),
        (
            NamedModel("timm:resnet_18"),
            ValueError,
            r"unknown model 'timm:resnet_18' \(searched timm\).*close to it: re",
        ),
        (NamedModel("my_nets:absent"), ValueError, r"cannot find 'my_nets:absent'.*give 'package\.module:function'"),
        (NamedModel("absent_module:net"), ValueError, "cannot find 'absent_module:net': No module named"),
        (NamedModel("my_nets:WORD"), TypeError, "'my_nets:WORD' is a str; it must be a function"),
        (NamedModel("my_nets:number"), TypeError, r"'my_nets:number' returned a int; it must return a torch\.nn\.Mod"),
        (
            NamedModel("my_nets:fixed", 3),
            ValueError,
            "'my_nets:fixed' has no argument num_classes, which num_classes=3",
        ),
        (
            NamedModel("my_nets:net", arguments={"depth": 3}),
            ValueError,
            r"cannot be built with {'depth': 3}: .*'depth'",
        ),
        (NamedModel("resnet18", in_channels=1), ValueError, "'torchvision:resnet18' reads 3 channels, not 1; use a"),
        (NamedModel("resnet18", arguments={"weights": "V9"}), ValueError, "no weights='V9'; use one of IMAGENET1K_V1"),
        (NamedModel("resnet18", arguments={"depth": 9}), ValueError, "'resnet18' cannot be built with {'depth': 9}"),
        (
            NamedModel("lcnet_050.nosuchtag"),
            ValueError,
            "'lcnet_050.nosuchtag' cannot be built: .*timm has lcnet_050.ra2",
        ),
    ],
)
def test_names_that_stand_for_nothing(named: NamedModel, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        named.build()


@pytest.mark.parametrize("spec", [None, {}, {"name": 3}, {"name": "a", "other": 1}])
def test_data_that_name_nothing(spec: object) -> None:
    with pytest.raises(ValueError, match="does not name a model"):
        NamedModel.from_spec(spec)


def test_without_the_libraries_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"unknown model 'resnet18' \(torchvision and timm: not installed\); give"):
        NamedModel("resnet18").build()
