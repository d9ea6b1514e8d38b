import pytest
import torch
from torch import nn

from nifconv import (
    FilterBank,
    FrequencyConv2d,
    ImplicitFilter,
    LCConv2d,
    SpatialFilter,
    convert,
    count_parameters,
    frozen,
)


def test_roles_of_a_plain_network() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1), nn.Linear(4, 2))
    model[3].requires_grad_(False)
    counts = count_parameters(model)
    assert counts.to_dict() == {
        "learnable": 216 + 8 + 16 + 32 + 4,
        "frozen": 8 + 2,
        "spatial": 216,
        "pointwise": 32,
        "other": 8 + 16 + 4 + 10,
    }
    assert str(counts) == "learnable 276, frozen 10, spatial 216, pointwise 32, other 38"


def test_frozen_filters_count_as_frozen_and_spatial() -> None:
    block = LCConv2d(4, 6, 3, expansion=2, bias=False, filter=frozen(SpatialFilter, seed=0))
    assert count_parameters(block).to_dict() == {
        "learnable": 48,
        "frozen": 72,
        "spatial": 72,
        "pointwise": 48,
        "other": 0,
    }


@pytest.mark.parametrize("filter", [ImplicitFilter, frozen(ImplicitFilter, seed=0), FilterBank(ImplicitFilter, 64)])
def test_both_ways_of_counting_add_up(filter: object) -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1))
    counts = count_parameters(convert(model, where="*", filter=filter).model)
    assert counts.learnable + counts.frozen == counts.spatial + counts.pointwise + counts.other


def test_shared_tensors_count_once() -> None:
    layer = FrequencyConv2d(4, 4)
    assert count_parameters(nn.Sequential(layer, layer)) == count_parameters(layer)
    tied = nn.Sequential(nn.Conv2d(2, 2, 3, bias=False), nn.Conv2d(2, 2, 3, bias=False))
    tied[1].weight = tied[0].weight
    assert count_parameters(tied).spatial == 36


def test_reparametrised_weights_count_as_what_they_are_made_of() -> None:
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 3))
    assert count_parameters(conv).to_dict() == {"learnable": 87, "frozen": 0, "spatial": 84, "pointwise": 0, "other": 3}


def test_a_filter_alone_is_spatial() -> None:
    counts = count_parameters(ImplicitFilter(4, 1))
    assert counts.spatial == counts.learnable == sum(p.numel() for p in ImplicitFilter(4, 1).parameters())


def test_lazy_parameters_count_nothing_yet() -> None:
    assert count_parameters(nn.LazyConv2d(4, 3)).learnable == 0


def test_anything_but_a_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, not Tensor"):
        count_parameters(torch.zeros(1))
