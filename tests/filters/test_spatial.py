from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nifconv import FrequencyFilter, SpatialFilter
from tests.filter_contract import FilterContract


class TestSpatialFilter(FilterContract):
    def make(self, out_channels: int, in_channels: int, ndim: int, **changes: Any) -> FrequencyFilter:
        return SpatialFilter(out_channels, in_channels, ndim, **{"kernel_size": 3, **changes})


def test_at_its_own_size_the_taps_are_the_weight() -> None:
    subject = SpatialFilter(4, 3, kernel_size=(3, 6))
    assert torch.equal(subject.taps((3, 6)), subject.weight)


def test_on_other_sizes_the_taps_are_cropped_or_padded_about_the_centre() -> None:
    subject = SpatialFilter(1, 1, 1, kernel_size=5)
    a, b, c, d, e = subject.weight.detach().flatten().tolist()
    assert_close(subject.taps(8).flatten().tolist(), [0.0, 0.0, a, b, c, d, e, 0.0])
    assert_close(subject.taps(2).flatten().tolist(), [b, c])


def test_the_default_initialisation_is_that_of_conv_nd() -> None:
    torch.manual_seed(3)
    ours = SpatialFilter(64, 16, kernel_size=5).weight
    theirs = nn.Conv2d(16, 64, 5).weight
    bound = (16 * 25) ** -0.5
    for weight in (ours, theirs):
        assert weight.abs().max() <= bound
        assert_close(weight.std().item(), bound / 3**0.5, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("kernel_size", "error", "message"),
    [
        (0, ValueError, "kernel_size=0 must be at least 1"),
        ((3, 3, 3), ValueError, r"kernel_size=\(3, 3, 3\) has 3 entries, but there are 2"),
        (2.5, TypeError, r"kernel_size=2\.5 must be an integer"),
    ],
)
def test_refuses_invalid_kernel_sizes(kernel_size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SpatialFilter(1, 1, kernel_size=kernel_size)
