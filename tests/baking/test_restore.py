"""Baked models that were saved: after other bakes and conversions, in other precisions, compiled, and absurd ones."""

import dataclasses
import resource
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from nifconv import ImplicitFilter, TableFilter, bake, convert, load
from nifconv._support import saved
from tests.nets import is_plain

X = torch.randn(2, 3, 9, 8)


class Skipping(nn.Module):
    """Reaches its first layer only if it is told to, so that a bake keeps that layer."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)
        self.other = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor, whole: bool = False) -> Tensor:
        return self.late(self.early(x) if whole else self.other(x))


def same(one: nn.Module, other: nn.Module, *given: Any) -> None:
    assert torch.equal(one.eval()(X, *given), other.eval()(X, *given))


def converted(**options: Any) -> nn.Module:
    return convert(Skipping(), where=["early", "late"], **options).model


def test_a_model_that_was_baked_twice_is_loaded(tmp_path: Path) -> None:
    first = bake(converted(), X)
    second = bake(first.model, (X, True))
    assert [[layer.name for layer in baked.report.replaced] for baked in (first, second)] == [["late"], ["early"]]
    second.save(tmp_path / "model")
    first.save(tmp_path / "first")
    loaded = load(tmp_path / "model", Skipping())
    assert is_plain(loaded.model)
    assert loaded.report == second.report
    same(loaded.model, second.model, True)
    same(load(tmp_path / "first", Skipping()).model, first.model, True)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("final", [False, True])
def test_conversions_and_bakes_in_turn_are_loaded(final: bool, tmp_path: Path) -> None:
    # Of the plain layers that the bake left, one is inside a Sequential that the base model does not have.
    between = bake(converted(), (X, True)).model
    where = ["late.0", "other"]
    last: Any = convert(between, where=where, to="dense", kernel_size=3)
    assert [decision.name for decision in last.report.replaced] == where
    if final:
        last = bake(last.model, X)
    last.save(tmp_path / "model")
    loaded = load(tmp_path / "model", Skipping())
    for whole in (False, True):
        same(loaded.model, last.model, whole)
    assert type(loaded) is type(last)


def test_a_conversion_that_left_nothing_needs_no_description(tmp_path: Path) -> None:
    mine = bake(converted(filter=lambda *shape: ImplicitFilter(*shape)), (X, True))
    again = convert(mine.model, where="other")
    again.save(tmp_path / "model")
    same(load(tmp_path / "model", Skipping()).model, again.model)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_model_in_another_precision_is_loaded_in_it(dtype: torch.dtype, tmp_path: Path) -> None:
    baked = bake(converted().to(dtype), (X.to(dtype), True))
    baked.save(tmp_path / "model")
    loaded = load(tmp_path / "model", Skipping().to(dtype)).model
    assert {p.dtype for p in loaded.parameters()} == {dtype}
    assert torch.equal(loaded(X.to(dtype)), baked.model(X.to(dtype)))


def test_a_compiled_model_is_saved_by_the_names_that_it_has_without(tmp_path: Path) -> None:
    model = converted()
    baked = bake(torch.compile(model), (X, True))
    baked.save(tmp_path / "model")
    loaded = load(tmp_path / "model", Skipping())
    assert {layer.name for layer in loaded.report.replaced} == {"early", "late"}
    same(loaded.model, bake(model, (X, True)).model)


@pytest.mark.parametrize("wrap", [torch.compile, AveragedModel, nn.DataParallel])
def test_wrappers_around_a_baked_model_are_removed(wrap: Any, tmp_path: Path) -> None:
    baked = bake(converted(), (X, True))
    dataclasses.replace(baked, model=wrap(baked.model)).save(tmp_path / "model")
    same(load(tmp_path / "model", Skipping()).model, baked.model)


def test_another_model_than_the_baked_one_is_not_saved(tmp_path: Path) -> None:
    baked = bake(converted(), (X, True))
    with pytest.raises(ValueError, match=r"the Skipping has no plain convolution at 'early', where this bake put one"):
        dataclasses.replace(baked, model=converted()).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in_channels": 10**7, "out_channels": 10**7}, r"'early' would have \d+ numbers, but the whole file has \d+"),
        ({"in_channels": 9000, "out_channels": 9000}, r"'early' would have \d+ numbers, but the whole file has \d+"),
        ({"in_channels": 10**12, "out_channels": 10**12}, "has an incomplete description"),
        ({"groups": 5}, "has an incomplete description .*divisible by groups"),
        ({"weight": 1}, "has an incomplete description .*unexpected keyword argument 'weight'"),
    ],
)
@pytest.mark.parametrize("earlier", [False, True])
def test_absurd_layers_are_refused_before_anything_is_built(
    change: dict[str, Any], message: str, earlier: bool, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    bake(converted(filter=partial(TableFilter, size=3), kernel_size=3, to="dense"), (X, True)).save(path)
    load(path, Skipping())  # imports what it needs
    tensors, description = saved.read(path)
    layers = description["baked"]
    absurd = {**layers, "early": {"Conv2d": {**layers["early"]["Conv2d"], **change}}}
    steps = [{"baked": absurd}] if earlier else []
    changed = {**description, "baked": layers if earlier else absurd, "conversions": steps}
    saved.write(path, tensors, changed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=message):
        load(path, Skipping())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
