import dataclasses
import resource
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from nifconv import (
    Envelope,
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    SpatialFilter,
    TableFilter,
    bake,
    compact_state_dict,
    convert,
    frozen,
    load,
)
from nifconv._support import saved


def net(width: int = 8) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(width, 4, 5, padding=2, stride=2),
    )


X = torch.randn(2, 3, 9, 8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"to": "dense", "where": "*", "filter": SpatialFilter, "match": True},
        {"to": "lc", "expansion": 3, "kernel_size": 5, "padding_mode": "reflect"},
        {"filter": Envelope(partial(TableFilter, size=6), width=2.0)},
        {"filter": frozen(ImplicitFilter, seed=4), "where": lambda _, conv: max(conv.stride) == 1},
        {"filter": FilterBank(ImplicitFilter, 64), "where": ["0", "2"]},
    ],
)
def test_a_conversion_is_loaded_into_a_new_model(options: dict[str, Any], tmp_path: Path) -> None:
    conversion = convert(net(), **options)
    conversion.model(X)  # running statistics are part of what is saved
    with torch.no_grad():
        for parameter in conversion.model.parameters():
            parameter.mul_(1.5)
    conversion.save(tmp_path / "model")
    base = net()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    loaded = load(tmp_path / "model", base)
    assert torch.equal(loaded.model.eval()(X), conversion.model.eval()(X))
    assert loaded.plan.to_spec() == conversion.plan.to_spec()
    assert [d.name for d in loaded.report.replaced] == [d.name for d in conversion.report.replaced]
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
    assert len(list(loaded.model.parameters())) == len(list(conversion.model.parameters()))


@pytest.mark.filterwarnings("ignore:match=True leaves")
def test_a_loaded_conversion_can_be_saved_again(tmp_path: Path) -> None:
    convert(net(), match=True, filter=SpatialFilter).save(tmp_path / "model")
    load(tmp_path / "model", net()).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_frozen_filters_know_their_seed_and_gain_again(tmp_path: Path) -> None:
    conversion = convert(net(), filter=frozen(ImplicitFilter, seed=4))
    conversion.save(tmp_path / "model")
    loaded = load(tmp_path / "model", net())
    first, second = compact_state_dict(conversion.model), compact_state_dict(loaded.model)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_copy_of_the_model_is_saved_in_its_place(tmp_path: Path) -> None:
    conversion = convert(net())
    averaged = convert(net()).model
    dataclasses.replace(conversion, model=averaged).save(tmp_path / "model")
    assert torch.equal(load(tmp_path / "model", net()).model.eval()(X), averaged.eval()(X))


def test_a_conversion_that_is_called_says_where_the_model_is() -> None:
    with pytest.raises(TypeError, match=r"a Conversion holds the model .* call conversion\.model"):
        convert(net())(X)


@pytest.mark.parametrize(
    "wrap", [torch.compile, AveragedModel, nn.DataParallel, lambda m: torch.compile(nn.DataParallel(m))]
)
@pytest.mark.parametrize("model", [net, lambda: nn.Conv2d(3, 3, 3, padding=1)])
def test_wrappers_around_a_model_are_removed(wrap: Any, model: Any, tmp_path: Path) -> None:
    conversion = convert(model())
    dataclasses.replace(conversion, model=wrap(conversion.model)).save(tmp_path / "model")
    assert torch.equal(load(tmp_path / "model", model()).model.eval()(X), conversion.model.eval()(X))


def test_a_wrapper_that_was_there_before_is_a_part_of_the_model(tmp_path: Path) -> None:
    conversion = convert(AveragedModel(net()))
    conversion.save(tmp_path / "model")
    loaded = load(tmp_path / "model", AveragedModel(net()))
    assert torch.equal(loaded.model.eval()(X), conversion.model.eval()(X))


@pytest.mark.parametrize("change", [lambda m: nn.Sequential(m), lambda m: bake(m, X).model, lambda m: net()])
def test_a_model_that_could_not_be_loaded_is_not_saved(change: Any, tmp_path: Path) -> None:
    conversion = convert(net())
    with pytest.raises(ValueError, match=r"Sequential has no frequency layer at '2', where this conversion put one"):
        dataclasses.replace(conversion, model=change(conversion.model)).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_several_conversions_in_a_row_are_saved_and_loaded(tmp_path: Path) -> None:
    first = convert(net(), where="2")
    second = convert(first.model, where=["0", "4"], kernel_size=5)
    second.save(tmp_path / "model")
    loaded = load(tmp_path / "model", net())
    assert torch.equal(loaded.model.eval()(X), second.model.eval()(X))
    assert loaded.plan.kernel_size == 5
    first.save(tmp_path / "first")
    assert torch.equal(load(tmp_path / "first", net()).model.eval()(X), first.model.eval()(X))


def test_a_conversion_of_a_part_is_not_saved_with_the_whole(tmp_path: Path) -> None:
    part = convert(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1)), where="0").model
    whole = convert(nn.Sequential(part, nn.Conv2d(3, 3, 3, padding=1)))
    with pytest.raises(ValueError, match=r"'0\.0' was replaced in a conversion of a part .*; convert the whole model"):
        whole.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_frequency_layers_that_the_model_has_of_its_own_are_no_obstacle(tmp_path: Path) -> None:
    own = nn.Sequential(FrequencyConv2d(3, 3), nn.Conv2d(3, 3, 3, padding=1))
    conversion = convert(own, where="1")
    conversion.save(tmp_path / "model")
    assert torch.equal(load(tmp_path / "model", own).model(X), conversion.model(X))


def test_a_converted_base_model_is_named_as_such(tmp_path: Path) -> None:
    conversion = convert(net())
    conversion.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"base_model is already converted: it has a LCConv2d at '2'; give the model"):
        load(tmp_path / "model", conversion.model)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (
            lambda: net()[:3],
            r"saved from|does not fit the model at 4\.bias: torch\.float32 \(4,\) in the file, nothing",
        ),
        (
            lambda: net(10),
            r"does not fit the model at 0\.bias: torch\.float32 \(8,\) in the file, .* \(10,\) in the mod",
        ),
        (
            lambda: net().double(),
            r"float32 \(8,\) in the file, torch\.float64 \(8,\) .* and \d+ more; .* the same dtype",
        ),
        (
            lambda: nn.Sequential(nn.Identity(), *list(net())[1:2], nn.Conv2d(8, 8, 1), nn.ReLU(), net()[4]),
            "saved from a model with other layers: 2 cannot be converted in the same way; give a base_model of the",
        ),
    ],
)
def test_another_model_is_refused(base: Any, message: str, tmp_path: Path) -> None:
    convert(net()).save(tmp_path / "model")
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "model", base())


@pytest.mark.parametrize("description", [{}, {"plan": {}, "layers": []}, {"plan": {"to": "split"}}, []])
def test_a_description_without_a_plan_is_refused(description: Any, tmp_path: Path) -> None:
    saved.write(tmp_path / "model", net().state_dict(), description)
    with pytest.raises(ValueError, match="has an incomplete description"):
        load(tmp_path / "model", net())


@pytest.mark.parametrize(
    "conversions", [5, [5], [None], {"a": 1}, [{}], [{"layers": 5}], [{"layers": [None, "0"]}], [{"layers": [[]]}]]
)
@pytest.mark.parametrize("baked", [False, True])
def test_conversions_that_are_none_are_refused(conversions: Any, baked: bool, tmp_path: Path) -> None:
    conversion = convert(net())
    (bake(conversion.model, torch.randn(1, 3, 8, 8)) if baked else conversion).save(tmp_path / "model")
    tensors, description = saved.read(tmp_path / "model")
    saved.write(tmp_path / "model", tensors, {**description, "conversions": conversions})
    with pytest.raises(ValueError, match=r"model' has an incomplete description \(.*; give a file that Conversion"):
        load(tmp_path / "model", net())


def test_what_a_file_cannot_hold_is_refused_before_it_is_written(tmp_path: Path) -> None:
    conversion = convert(net(), to=lambda _name, _conv: nn.Identity())
    with pytest.raises(ValueError, match=r"to=<function.*cannot be written into a file; save model\.state_dict"):
        conversion.save(tmp_path / "model")
    own = convert(net(), filter=lambda o, i, n=2: ImplicitFilter(o, i, n))
    with pytest.raises(ValueError, match=r"filter=<function.*cannot be written into a file"):
        own.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_refuses_what_is_not_a_module(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"base_model must be a torch\.nn\.Module, not str"):
        load(tmp_path, "resnet50")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filter": {"ImplicitFilter": {"hidden": [10**6, 10**6]}}}, r"'2' would have \d+ numbers, but the whole file"),
        ({"filter": {"TableFilter": {"size": 10**5}}}, r"would have \d+ numbers"),
        ({"filter": {"frozen": {"filter": {"TableFilter": {"size": 10**5}}, "seed": 1}}}, r"would have \d+ numbers"),
        ({"filter": {"FilterBank": {"filter": {"ImplicitFilter": {}}, "kernels": 10**9}}}, r"would have \d+ numbers"),
        ({"filter": {"ImplicitFilter": {"hidden": {"Budget": {"parameters": 10**30}}}}}, "has an incomplete descr"),
        ({"filter": {"ImplicitFilter": {"hidden": [1] * 10**5}}}, "a filter of its plan is longer than 10000 charact"),
        ({"filter": [["2", {"ImplicitFilter": {"hidden": [1] * 10**5}}]]}, "a filter of its plan is longer than 10000"),
        ({"kernel_size": [3] * 10**5}, "a filter of its plan is longer than 10000 characters"),
        ({"to": "lc", "expansion": 10**9}, "has an incomplete description"),
        ({"kernel_size": "os.system('ls')"}, r"kernel_size=\"os\.system\('ls'\)\" must be an integer"),
        ({"filter": {"os.system": {}}}, r"os\.system.* does not describe a filter"),
    ],
)
def test_absurd_descriptions_are_refused_before_anything_is_built(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    conversion = convert(net())
    conversion.save(tmp_path / "model")
    saved_before = tmp_path / "before"
    conversion.save(saved_before)
    tensors, description = saved.read(tmp_path / "model")
    (step,) = description["conversions"]
    changed = {**step, "plan": {**step["plan"], **change}}
    saved.write(tmp_path / "model", tensors, {**description, "conversions": [changed]})
    load(saved_before, net())  # imports what it needs
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "model", net())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize("gain", [-1.0, float("nan"), float("inf"), "much", None])
def test_gains_that_are_none_are_refused(gain: Any, tmp_path: Path) -> None:
    convert(net()).save(tmp_path / "model")
    tensors, description = saved.read(tmp_path / "model")
    name = next(iter(description["gains"]))
    saved.write(tmp_path / "model", tensors, {**description, "gains": {name: gain}})
    with pytest.raises(ValueError, match=r"incomplete description .*(gains must be finite|float)"):
        load(tmp_path / "model", net())


def test_a_description_of_many_brackets_is_refused(tmp_path: Path) -> None:
    nested: Any = []
    for _ in range(500):
        nested = [nested]
    convert(net()).save(tmp_path / "model")
    tensors, description = saved.read(tmp_path / "model")
    (step,) = description["conversions"]
    changed = {**step, "plan": {"filter": nested}}
    saved.write(tmp_path / "model", tensors, {**description, "conversions": [changed]})
    with pytest.raises(ValueError, match="has an incomplete description"):
        load(tmp_path / "model", net())
