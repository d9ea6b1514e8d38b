import threading
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from nifconv import convert
from nifconv._support.modules import copy_model, move_hooks, places, set_children, substitute


def test_a_copy_shares_nothing_and_keeps_what_is_tied() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    model.register_buffer("count", torch.tensor(3))
    model.register_buffer("phase", torch.ones(2, dtype=torch.complex64))
    copied = copy_model(model)
    assert copied[0].weight is copied[1].weight
    assert copied[0].weight is not model[0].weight
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), copied.state_dict().values(), strict=True)
    )


def test_weights_that_a_hook_computes_are_copied_as_values() -> None:
    pruned = prune.random_unstructured(nn.Conv2d(4, 4, 3), "weight", 0.5)
    copied = copy_model(pruned)
    assert torch.equal(copied.weight, pruned.weight)
    assert copied.weight is not pruned.weight
    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(copied(x), pruned(x))


def test_a_model_that_cannot_be_copied_is_refused_with_the_remedy() -> None:
    class Uncopyable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, padding=1)
            self.lock = threading.Lock()

    with pytest.raises(ValueError, match=r"cannot be copied.*lock.*give one that copy\.deepcopy takes"):
        convert(Uncopyable())
    assert convert(Uncopyable(), inplace=True).report.replaced


def test_modules_are_exchanged_at_every_place_and_back() -> None:
    old, new = nn.Linear(2, 2), nn.Linear(2, 2)
    model = nn.ModuleDict({"a": old, "b": nn.ModuleList([old, old, nn.ReLU()])})
    model.register_module("none", None)
    found = places(model, {old})
    assert [(name, child) for _, name, child in found] == [("a", old), ("0", old), ("1", old)]
    assert substitute(model, {old: new}) is model
    assert model["a"] is model["b"][0] is model["b"][1] is new
    set_children(found)
    assert model["a"] is model["b"][0] is model["b"][1] is old
    assert substitute(old, {old: new}) is new


def test_a_compiled_model_runs_what_it_was_given() -> None:
    old, new = nn.Linear(2, 2), nn.Linear(2, 2)
    model: Any = torch.compile(old, backend="eager")
    substitute(model, {old: new})
    x = torch.randn(3, 2)
    assert torch.equal(model(x), new(x))


def test_hooks_move_with_their_handles() -> None:
    old, new = nn.Linear(2, 2), nn.Linear(2, 2)
    seen: list[str] = []
    handles = [
        old.register_forward_hook(lambda *args: seen.append("after")),
        old.register_forward_pre_hook(lambda *args, **kwargs: seen.append("before"), with_kwargs=True),
        old.register_full_backward_hook(lambda *args: seen.append("backward")),
    ]
    move_hooks(new, old)
    new(torch.ones(1, 2, requires_grad=True)).sum().backward()
    assert seen == ["before", "after", "backward"]
    for handle in handles:
        handle.remove()
    new(torch.ones(1, 2, requires_grad=True)).sum().backward()
    assert len(seen) == 3


def test_hooks_stay_with_a_module_that_goes_on_inside_the_new_one() -> None:
    conv, seen = nn.Conv2d(8, 8, 3, padding=1), []
    conv.register_forward_hook(lambda *args: seen.append(1))
    model = convert(nn.Sequential(conv), to=lambda name, old: nn.Sequential(old, nn.ReLU()), inplace=True).model
    model(torch.randn(1, 8, 5, 5))
    assert seen == [1]
