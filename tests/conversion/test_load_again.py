"""Saved conversions that once could not be loaded: long plans, shared layers, failed attempts, compiled models."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import SpatialFilter, TableFilter, bake, convert, frozen, load
from nifconv._support import saved
from tests.conversion.test_load import X, net


def test_a_long_plan_of_one_filter_for_each_layer_is_loaded(tmp_path: Path) -> None:
    def deep() -> nn.Sequential:
        return nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(200)))

    filters = {str(layer): frozen(partial(TableFilter, size=3), seed=layer) for layer in range(200)}
    conversion = convert(deep(), filter=filters)
    conversion.save(tmp_path / "model")
    state = load(tmp_path / "model", deep()).model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in conversion.model.state_dict().items())


@pytest.mark.parametrize("filters", [{"2": SpatialFilter, "_default": partial(TableFilter, size=99)}, SpatialFilter])
def test_a_convolution_at_two_places_has_the_filter_of_any_of_its_names(filters: Any, tmp_path: Path) -> None:
    def shared() -> nn.Sequential:
        conv = nn.Conv2d(2, 2, 3, padding=1)
        return nn.Sequential(nn.ReLU(), conv, conv)

    conversion = convert(shared(), filter=filters, where=["1", "2"], to="dense")
    conversion.save(tmp_path / "model")
    loaded = load(tmp_path / "model", shared()).model
    assert loaded[1] is loaded[2]
    x = torch.randn(1, 2, 6, 6)
    assert torch.equal(loaded(x), conversion.model(x))


@pytest.mark.filterwarnings("ignore:convert replaced none")
def test_a_conversion_that_failed_or_replaced_nothing_is_no_obstacle(tmp_path: Path) -> None:
    model = net()

    def nothing(_name: str, _conv: nn.Module) -> None:
        return None

    with pytest.raises(ValueError, match=r"where='2' matches 1 of 3 convolutions, none of which can be replaced"):
        convert(model, where="2", to=nothing, inplace=True)
    convert(model, to=nothing, inplace=True)
    conversion = convert(model)
    conversion.save(tmp_path / "model")
    assert torch.equal(load(tmp_path / "model", net()).model.eval()(X), conversion.model.eval()(X))


@pytest.mark.parametrize("again", [False, True])
def test_a_base_that_the_file_names_is_named_when_it_is_saved_again(again: bool, tmp_path: Path) -> None:
    made = convert(net())
    (bake(made.model, X) if again else made).save(tmp_path / "model", base="resnet18")
    load(tmp_path / "model", net()).save(tmp_path / "again")
    assert saved.read(tmp_path / "again")[1]["base"] == {"name": "resnet18"}
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_torch_compile_is_no_part_of_a_saved_model(tmp_path: Path) -> None:
    conversion = convert(torch.compile(net()))
    conversion.save(tmp_path / "model")
    half = net()
    half.set_submodule("2", torch.compile(half[2]))
    for base in (net(), torch.compile(net()), half):
        loaded = load(tmp_path / "model", base).model
        assert not [name for name in loaded.state_dict() if "_orig_mod" in name]
        assert torch.equal(loaded.eval()(X), conversion.model._orig_mod.eval()(X))
