import json
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import (
    Budget,
    Envelope,
    FilterBank,
    FourierFeatures,
    ImplicitFilter,
    MultiScaleFeatures,
    SpatialFilter,
    TableFilter,
    frozen,
    niff_big,
)
from nifconv.filters import Neighbors, build_filter, read_spec, savable, write_spec

FACTORIES = {
    "class": ImplicitFilter,
    "arguments": partial(ImplicitFilter, hidden=(8, 4), encoding=FourierFeatures(reach=5, seed=3), gain=0.5),
    "activation": partial(ImplicitFilter, activation=nn.Tanh),
    "activation with arguments": partial(ImplicitFilter, activation=partial(nn.GELU, approximate="tanh")),
    "published": niff_big,
    "multi-scale": partial(ImplicitFilter, encoding=MultiScaleFeatures(reach=5, features=6), hidden=Budget(900)),
    "neighbours": partial(ImplicitFilter, encoding=Neighbors(2)),
    "band limit": partial(ImplicitFilter, coordinates="image", band_limit=7.5),
    "budget": ImplicitFilter.with_budget(900, coordinates="image"),
    "table": partial(TableFilter, size=(5, 6)),
    "taps": partial(SpatialFilter, kernel_size=3),
    "envelope": Envelope(partial(TableFilter, size=4), width=2.0, per="layer"),
    "frozen": frozen(Envelope(ImplicitFilter, width=2.0), seed=5),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_a_factory_comes_back_from_json(name: str) -> None:
    factory = FACTORIES[name]
    back = read_spec(json.loads(json.dumps(write_spec(factory))))
    assert write_spec(back) == write_spec(factory)
    torch.manual_seed(0)
    original = build_filter(factory, 6, 1, 2, None)
    torch.manual_seed(0)
    again = build_filter(back, 6, 1, 2, None)
    assert repr(again) == repr(original)
    assert torch.equal(again.taps((5, 6)), original.taps((5, 6)))


def test_a_class_that_learns_its_size_from_the_layer() -> None:
    assert read_spec(write_spec(SpatialFilter)) is SpatialFilter


def test_a_bank_comes_back_as_a_bank_of_the_same_kind() -> None:
    bank = FilterBank(frozen(SpatialFilter, seed=2), 12, kernel_size=3)
    back = read_spec(json.loads(json.dumps(write_spec(bank))))
    assert isinstance(back, FilterBank)
    assert torch.equal(back.slice(3, 4).taps(5), bank.slice(3, 4).taps(5))


class Own(ImplicitFilter):
    pass


@pytest.mark.parametrize(
    "factory",
    [Own, lambda *args: ImplicitFilter(*args), partial(ImplicitFilter, activation=lambda: nn.SiLU()), partial(Own)],
)
def test_what_is_not_of_this_library_is_refused_with_the_remedy(factory: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot be written into a file.*save model\.state_dict\(\), and convert"):
        write_spec(factory)


def test_a_class_from_outside_can_be_written_when_it_is_savable() -> None:
    @savable("outside.Own")
    class Mine(ImplicitFilter):
        pass

    spec = json.loads(json.dumps(write_spec(frozen(partial(Mine, hidden=(4,)), seed=1))))
    assert spec == {"frozen": {"filter": {"outside.Own": {"hidden": [4]}}, "seed": 1}}
    assert isinstance(read_spec(spec)(2, 1), Mine)


def test_two_classes_do_not_share_a_name() -> None:
    with pytest.raises(ValueError, match=r"name='ImplicitFilter' stands for nifconv.filters._implicit.ImplicitFilter"):
        savable("ImplicitFilter")(Own)


@pytest.mark.parametrize(
    "spec",
    [{}, {"Own": {}}, {"ImplicitFilter": 3}, {"ImplicitFilter": {}, "frozen": {}}, {"torch.nn.functional": {}}, b"x"],
)
def test_what_does_not_describe_a_filter_is_refused(spec: Any) -> None:
    with pytest.raises(ValueError, match="does not describe a filter; it was written by another version"):
        read_spec(spec)
