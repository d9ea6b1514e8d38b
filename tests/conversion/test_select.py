from typing import Any

import pytest
import torch
from torch import nn

from nifconv import FrequencyConv2d, ImplicitFilter, LCConv2d, convert
from nifconv.conversion._select import convolutions, default_choice, user_choice
from tests.nets import small_net


class GCNConv(nn.Module):
    """A module that another library calls a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))


def chosen(model: nn.Module, where: Any) -> list[str]:
    names = convolutions(model)
    return [names[conv][0] for conv, reason in user_choice(names, where).items() if not reason]


def mixed_net() -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "wave": nn.Conv1d(8, 8, 7, padding=3),
            "flat": nn.Conv2d(8, 8, (1, 7), padding=(0, 3)),
            "deep": nn.Conv3d(8, 8, 3, (1, 2, 2), padding=1, groups=2),
            "single": nn.Conv2d(1, 4, 3, padding=1),
            "depthwise": nn.Conv2d(8, 16, 3, padding=1, groups=8),
        }
    )


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("flat", ["flat"]),
        ("?????????", ["depthwise"]),
        (["wave", "d*"], ["wave", "deep", "depthwise"]),
        (("single",), ["single"]),
        ({"wave"}, ["wave"]),
        (nn.Conv1d, ["wave"]),
        (nn.Module, ["wave", "flat", "deep", "single", "depthwise"]),
        ({"type": nn.Conv3d}, ["deep"]),
        ({"type": [nn.Conv1d, nn.Conv3d]}, ["wave", "deep"]),
        ({"name": "*e*", "kernel_size": 7}, ["wave"]),
        ({"name": ["wave", "deep"]}, ["wave", "deep"]),
        ({"kernel_size": 3}, ["deep", "single", "depthwise"]),
        ({"kernel_size": (1, 7)}, ["flat"]),
        ({"kernel_size": [(1, 7), 7]}, ["wave", "flat"]),
        ({"kernel_size": (3, 3)}, ["single", "depthwise"]),
        ({"stride": (1, 2, 2)}, ["deep"]),
        ({"stride": 1, "kernel_size": 3}, ["single", "depthwise"]),
        ({"groups": 2}, ["deep"]),
        ({"groups": "depthwise"}, ["depthwise"]),
        ({"groups": {2, "depthwise"}}, ["deep", "depthwise"]),
        ({"groups": 1, "type": nn.Conv2d}, ["flat", "single"]),
        ({}, ["wave", "flat", "deep", "single", "depthwise"]),
        (lambda name, conv: conv.out_channels == 16, ["depthwise"]),
        (lambda name, conv: False, []),
    ],
)
def test_every_form_of_where(where: Any, expected: list[str]) -> None:
    assert chosen(mixed_net(), where) == expected


def test_where_chooses_strided_convolutions_and_the_stem_but_never_1x1() -> None:
    report = convert(small_net(), where="*").report
    assert [d.name for d in report.replaced] == ["stem", "body", "down", "depthwise"]
    report = convert(small_net(), where={"stride": 2}).report
    assert [d.name for d in report.replaced] == ["down"]
    reasons = {d.name: d.reason for d in report.kept}
    assert reasons["stem"] == "not matched by where={'stride': 2}"
    assert "1x1" in reasons["pointwise"]


def test_a_predicate_is_asked_under_every_name_and_about_convolutions_of_torch_alone() -> None:
    shared = nn.Conv2d(8, 8, 3, padding=1)
    model = nn.ModuleDict({"a": nn.Sequential(shared), "b": nn.Sequential(shared), "graph": GCNConv()})
    asked = []

    def where(name: str, conv: Any) -> bool:
        asked.append(name)
        return conv.groups == 1 and name.startswith("b")

    assert chosen(model, where) == ["a.0"]
    assert asked == ["a.0", "b.0"]


def test_convolutions_are_listed_with_all_their_places_and_those_of_others_too() -> None:
    shared = nn.Conv2d(8, 8, 3)
    model = nn.ModuleDict(
        {
            "a": shared,
            "list": nn.ModuleList([shared, nn.Linear(2, 2), nn.ConvTranspose1d(2, 2, 3), GCNConv()]),
            "none": nn.Sequential(FrequencyConv2d(2, 2), nn.BatchNorm2d(3)),
            "block": LCConv2d(2, 2),
        }
    )
    assert list(convolutions(model).values()) == [["a", "list.0"], ["list.2"], ["list.3"], ["block.pointwise"]]
    assert list(convolutions(shared).values()) == [[""]]
    assert convolutions(nn.Sequential()) == {}


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv2d(3, 8, 3), "stem of 3 input channels: kept unless `where` names it"),
        (nn.Conv2d(5, 8, 3), None),
        (nn.Conv2d(5, 8, 3, stride=(1, 2)), "stride=(1, 2): strided convolutions are kept unless `where` names them"),
        (GCNConv(), None),
    ],
)
def test_the_default_choice(conv: nn.Module, reason: str | None) -> None:
    assert list(default_choice(convolutions(nn.Sequential(conv))).values()) == [reason]


def test_a_stem_is_the_first_of_a_network_only() -> None:
    one, two = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
    reasons = list(default_choice(convolutions(nn.Sequential(one, two))).values())
    assert reasons[0].startswith("stem")
    assert not reasons[1]
    assert list(default_choice(convolutions(one)).values()) == [None]


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        (
            "conv*",
            ValueError,
            r"where='conv\*' matches none of the 5 convolutions: stem, body, .*; patterns are those of",
        ),
        (["body", "head"], ValueError, "where='head' matches none of the 5"),
        ([], ValueError, r"where=\[\] matches none of the 5 convolutions: stem"),
        (["body", 3], TypeError, "where=3 must be a name pattern or several of them, a type of module, a mapping"),
        (3, TypeError, "where=3 must be a name pattern .* or a predicate"),
        (nn.Linear, ValueError, "Linear'> matches none of the 5"),
        ({"size": 3}, ValueError, "where has the unknown key 'size'; use some of name, type, kernel_size"),
        ({"type": "Conv2d"}, TypeError, r"where=\{'type': 'Conv2d'\} must be a class of modules, such as nn.Conv2d"),
        ({"name": "head"}, ValueError, "where='head' matches none"),
        ({"name": 3}, TypeError, "where=3 must be a name pattern"),
        ({"kernel_size": 9}, ValueError, r"where=\{'kernel_size': 9\} matches none of the 5"),
        ({"kernel_size": (3, 3, 3)}, ValueError, "matches none of the 5"),
        ({"kernel_size": "3"}, TypeError, "kernel_size='3' must be an integer"),
        ({"stride": 0}, ValueError, "stride=0 must be at least 1"),
    ],
)
def test_what_chooses_nothing_is_refused(where: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        convert(small_net(), where=where)


def test_a_model_without_convolutions_says_so() -> None:
    with pytest.raises(ValueError, match="matches none of the 0 convolutions: the model has none"):
        convert(nn.Linear(2, 2), where=nn.Conv2d)


class StdConv2d(nn.Conv2d):
    """A subclass, such as other libraries define."""


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("where", ["std*", StdConv2d, {"name": "std*"}])
def test_what_chooses_only_what_cannot_be_replaced_is_refused(where: Any, inplace: bool) -> None:
    net = nn.ModuleDict({name: StdConv2d(8, 8, 3, padding=1) for name in ("std0", "std1", "std2", "std3")})
    net["plain"] = nn.Conv2d(8, 8, 1)
    before = repr(net)
    with pytest.raises(
        ValueError,
        match=r"where=.*matches 4 of 5 convolutions, none of which can be replaced \(std0: StdConv2d is not a plain "
        r"nn.ConvNd.*; std2: .*; and 1 more\); choose others",
    ):
        convert(net, where=where, inplace=inplace)
    assert repr(net) == before


@pytest.mark.parametrize("where", [None, lambda name, conv: True, lambda name, conv: False])
def test_a_choice_of_nothing_that_was_not_by_name_is_a_warning(where: Any) -> None:
    net = nn.Sequential(StdConv2d(8, 8, 3), nn.Conv2d(8, 8, 1))
    message = r"convert replaced none of 2 convolutions \(0: StdConv2d is not a plain .*; 1: 1x1: nothing spatial"
    with pytest.warns(UserWarning, match=message) as caught:
        assert not convert(net, where=where).report.replaced
    assert caught[0].filename == __file__


def test_a_model_that_is_one_convolution_has_the_empty_name() -> None:
    assert (
        type(convert(nn.Conv2d(3, 3, 3, padding=1), filter={"": ImplicitFilter}, to="dense").model) is FrequencyConv2d
    )
    with pytest.warns(UserWarning, match="kept as `filter` says: '' is None"):
        convert(nn.Conv2d(3, 3, 3, padding=1), filter={"": None, "_default": ImplicitFilter})
