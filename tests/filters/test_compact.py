"""Checkpoints that hold seeds instead of frozen weights."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nifconv import (
    FilterBank,
    FrequencyConv2d,
    FrequencyFilter,
    ImplicitFilter,
    compact_state_dict,
    convert,
    frozen,
    load_compact_state_dict,
)


def net(seed: int = 0, **options: Any) -> nn.Module:
    stem, body = nn.Conv2d(3, 8, 3), [nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 5, padding=2)]
    drawn = frozen(partial(ImplicitFilter, **options), seed=seed)
    return convert(nn.Sequential(stem, nn.BatchNorm2d(8), *body), to="lc", expansion=2, filter=drawn).model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_compact_checkpoint_restores_the_model(dtype: torch.dtype) -> None:
    saved, other = net(seed=0).to(dtype), net(seed=9).to(dtype)
    state = compact_state_dict(saved)
    whole = sum(v.numel() for v in saved.state_dict().values())
    assert sum(v.numel() for v in state.values()) < 0.6 * whole
    load_compact_state_dict(other, state)
    for (name, a), b in zip(saved.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert [m.initial_gain for m in saved.modules() if isinstance(m, FrequencyFilter)] == [
        m.initial_gain for m in other.modules() if isinstance(m, FrequencyFilter)
    ]
    assert compact_state_dict(other).keys() == state.keys()


def test_a_compact_checkpoint_holds_seed_gain_and_checksum() -> None:
    layer = FrequencyConv2d(4, 4, filter=frozen(ImplicitFilter, seed=7))
    state = compact_state_dict(layer)
    assert set(state) == {"bias", "filter.frozen_seed", "filter.frozen_gain", "filter.frozen_checksum"}
    assert state["filter.frozen_seed"].item() == 7
    assert state["filter.frozen_checksum"].shape == (32,)


def test_compact_checkpoints_of_a_bare_filter_and_of_a_bank() -> None:
    one, two = (frozen(ImplicitFilter, seed=s)(4, 1) for s in (0, 1))
    load_compact_state_dict(two, compact_state_dict(one))
    assert torch.equal(one.taps(5), two.taps(5))
    banks = [FilterBank(frozen(ImplicitFilter, seed=s), 16) for s in (0, 1)]
    models = [nn.Sequential(FrequencyConv2d(4, 4, filter=b), FrequencyConv2d(4, 4, filter=b)) for b in banks]
    load_compact_state_dict(models[1], compact_state_dict(models[0]))
    assert torch.equal(models[1][1].filter.taps(5), models[0][0].filter.taps(5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: net(hidden=(8, 8)), "weights of the frozen filter '2.spatial.filter', drawn again from seed=.*differ"),
        (lambda: net().double(), "with the same dtype and version of torch"),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 8, 3)),
            r"frozen filters at \['2\.spatial\.filter\.', '3\.",
        ),
        (lambda: nn.Sequential(net(), net()), r"lacks the model's frozen filters at \['0.2.spatial.filter.'"),
        (lambda: nn.Sequential(*net(), nn.Linear(2, 2)), "does not fit the model at 4.bias, 4.weight"),
    ],
)
def test_a_compact_checkpoint_refuses_other_architectures_and_changes_nothing(make: Any, message: str) -> None:
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message):
        load_compact_state_dict(model, compact_state_dict(net()))
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))


def test_a_compact_checkpoint_refuses_other_shapes() -> None:
    state = compact_state_dict(net())
    state["0.weight"] = torch.zeros(8, 3, 5, 5)
    with pytest.raises(ValueError, match=r"does not fit the model at 0\.weight"):
        load_compact_state_dict(net(), state)


def test_an_altered_checksum_is_noticed() -> None:
    state = compact_state_dict(net())
    state["2.spatial.filter.frozen_checksum"][0] ^= 1
    with pytest.raises(ValueError, match="drawn again"):
        load_compact_state_dict(net(), state)


def test_what_could_not_be_drawn_again_is_not_saved_compactly() -> None:
    changed, loaded, rounded = (frozen(ImplicitFilter, seed=1)(4, 1) for _ in range(3))
    changed.real.weight.mul_(2)
    loaded.load_state_dict(frozen(ImplicitFilter, seed=2)(4, 1).state_dict())
    rounded.bfloat16().float()
    for subject in (changed, loaded, rounded):
        with pytest.raises(ValueError, match=r"does not hold the weights of its seed=1.*whole with state_dict\(\)"):
            compact_state_dict(subject)


def test_two_filters_are_not_loaded_into_one() -> None:
    one = FilterBank(frozen(ImplicitFilter, seed=5), 4)
    banks = [FilterBank(frozen(ImplicitFilter, seed=s), 4) for s in (5, 6)]
    saved = nn.Sequential(*(FrequencyConv2d(2, 2, filter=bank) for bank in banks))
    model = nn.Sequential(*(FrequencyConv2d(2, 2, filter=one) for _ in range(2)))
    with pytest.raises(
        ValueError, match=r"different filters at '0\.filter\.bank' and '1\.filter\.bank', which are one"
    ):
        load_compact_state_dict(model, compact_state_dict(saved))


def test_an_incomplete_compact_checkpoint_is_refused() -> None:
    state = compact_state_dict(net())
    del state["2.spatial.filter.frozen_gain"]
    with pytest.raises(ValueError, match=r"lacks 2\.spatial\.filter\.frozen_gain; save it again"):
        load_compact_state_dict(net(), state)
