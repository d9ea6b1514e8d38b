import pytest
import torch
from torch import nn

from nifconv._support.descriptions import check_size


def test_a_module_is_as_large_as_its_numbers_those_of_two_names_counted_once() -> None:
    with torch.device("meta"):
        tied = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 10))
    tied[1].weight = tied[0].weight
    check_size("0", tied, 110)
    with pytest.raises(ValueError, match="'0' would have 110 numbers, but the whole file has 109"):
        check_size("0", tied, 109)
